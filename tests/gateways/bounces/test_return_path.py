"""Signed return paths: what one is made of can be read from it here, and nowhere else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import EmailAddress
from domain.ids import MailboxId, SubmissionId, new_id
from domain.times import DAY_MS
from gateways.bounces.return_path import MAX_PLACE, ReturnPaths

SECRET = bytes(range(32))
NOW_MS = 1_795_776_000_000


def paths_at(now_ms: int, secret: bytes = SECRET, former: tuple[bytes, ...] = ()) -> ReturnPaths:
    return ReturnPaths(secret, "example.test", former=former, clock_ms=lambda: now_ms)


def localpart(path: str) -> str:
    return EmailAddress.parse(path).localpart


@pytest.fixture
def place() -> tuple[MailboxId, SubmissionId, int]:
    return MailboxId(new_id("m")), SubmissionId(new_id("s")), 7


def test_what_was_made_is_read(place: tuple[MailboxId, SubmissionId, int]) -> None:
    made = paths_at(NOW_MS).make(*place)
    assert made.endswith("@example.test")
    assert paths_at(NOW_MS).read(localpart(made)) == place


@given(number=st.integers(0, MAX_PLACE), now=st.integers(0, 2**42))
def test_every_place_comes_back_at_any_time(number: int, now: int) -> None:
    mailbox_id, submission_id = MailboxId(new_id("m")), SubmissionId(new_id("s"))
    made = paths_at(now).make(mailbox_id, submission_id, number)
    assert paths_at(now).read(localpart(made)) == (mailbox_id, submission_id, number)


def test_it_fits_a_localpart_and_survives_a_change_of_case(place: tuple[MailboxId, SubmissionId, int]) -> None:
    made = localpart(paths_at(NOW_MS).make(*place))
    assert len(made) <= 64
    assert paths_at(NOW_MS).read(made.upper()) == place


def test_it_tells_nothing_of_the_ids(place: tuple[MailboxId, SubmissionId, int]) -> None:
    mailbox_id, submission_id, number = place
    one, other = (localpart(paths_at(NOW_MS).make(mailbox_id, submission_id, n)) for n in (number, number + 1))
    assert mailbox_id[1:] not in one
    assert submission_id[1:] not in one
    alike = sum(a == b for a, b in zip(one, other, strict=True))
    assert alike < 20  # two of one mailbox have no more in common than chance gives them


def test_a_changed_one_is_read_as_none(place: tuple[MailboxId, SubmissionId, int]) -> None:
    made = localpart(paths_at(NOW_MS).make(*place))
    for at in range(2, len(made)):
        changed = made[:at] + ("0" if made[at] != "0" else "1") + made[at + 1 :]
        assert paths_at(NOW_MS).read(changed) is None


@pytest.mark.parametrize("text", ["", "b-", "ann", "b-" + "0" * 57, "b-" + "0" * 58, "b-" + "z" * 58, "b-" + "٣" * 58])
def test_what_was_never_made_is_read_as_none(text: str) -> None:
    assert paths_at(NOW_MS).read(text) is None


@given(st.text(max_size=100))
def test_any_text_can_be_read(text: str) -> None:
    assert paths_at(NOW_MS).read(text) is None


def test_another_installation_reads_none(place: tuple[MailboxId, SubmissionId, int]) -> None:
    made = localpart(paths_at(NOW_MS).make(*place))
    assert paths_at(NOW_MS, secret=bytes(32)).read(made) is None


def test_it_is_read_for_thirty_days_at_least_and_sixty_at_most(place: tuple[MailboxId, SubmissionId, int]) -> None:
    for day in range(30):
        made_at = NOW_MS + day * DAY_MS
        made = localpart(paths_at(made_at).make(*place))
        assert paths_at(made_at + 30 * DAY_MS).read(made) == place
        assert paths_at(made_at + 60 * DAY_MS).read(made) is None


def test_a_report_that_arrived_in_time_is_read_later(place: tuple[MailboxId, SubmissionId, int]) -> None:
    made = localpart(paths_at(NOW_MS).make(*place))
    assert paths_at(NOW_MS + 90 * DAY_MS).read(made, at_ms=NOW_MS) == place


def test_it_is_read_where_the_clock_is_behind_that_of_its_maker(place: tuple[MailboxId, SubmissionId, int]) -> None:
    for day in range(30):
        made_at = NOW_MS + day * DAY_MS
        assert paths_at(made_at - 60_000).read(localpart(paths_at(made_at).make(*place))) == place


def test_it_survives_a_change_of_the_secret(place: tuple[MailboxId, SubmissionId, int]) -> None:
    made = localpart(paths_at(NOW_MS).make(*place))
    after = paths_at(NOW_MS, secret=bytes(32), former=(SECRET,))
    assert after.read(made) == place
    assert localpart(after.make(*place)) != made


@pytest.mark.parametrize(
    ("mailbox_id", "submission_id", "number"),
    [("m1", "s" + "0" * 20, 0), ("m" + "0" * 20, "x" + "0" * 20, 0), ("m" + "0" * 20, "s" + "0" * 20, 1024)],
)
def test_ids_that_were_not_given_out_here_have_none(mailbox_id: str, submission_id: str, number: int) -> None:
    with pytest.raises(ValueError, match=re.escape(mailbox_id)):
        paths_at(NOW_MS).make(MailboxId(mailbox_id), SubmissionId(submission_id), number)
