"""`ledgermail relay`: what an operator sees and does."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.command_line.relay import relay
from tests import dns_zone
from tests.contracts.queue import Clock
from tests.dns_zone import Zone
from tests.post_office import post_office
from tests.relay_world import RelayWorld

Command = Callable[..., str]


class Now(Clock):
    """The time as the command knows it, too."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


@pytest.fixture
def world(database_url: str, data_folder: Path) -> Iterator[RelayWorld]:
    """Of which no host answers: their domain's DNS fails."""
    zone = Zone({"far.test": [("SERVFAIL", None)], "other.test": [("SERVFAIL", None)]})
    with post_office(database_url, data_folder) as office, dns_zone.serving(zone) as dns:
        office.open_mailbox("m1", "ann@example.test")
        office.open_mailbox("m2", "carl@example.test")
        yield RelayWorld(office, Now(), dns, port=25)


@pytest.fixture
def command(world: RelayWorld, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `ledgermail relay …` on the post office's installation; what it says."""
    monkeypatch.setenv("LEDGERMAIL_DATABASE_URL", world.office.url)
    monkeypatch.setenv("LEDGERMAIL_DATA", str(data_folder))

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(relay, list(arguments))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output.strip()

    return run


def test_what_waits_is_shown_by_destination_and_mail_by_mail(world: RelayWorld, command: Command) -> None:
    assert command("queue") == "nothing waits for other hosts"
    sent = world.submit("a@far.test", "b@far.test", "c@other.test")
    world.run()
    first, second = command("queue").splitlines()
    assert first.startswith("far.test  2 recipients in 1 mail  waits since 20")
    assert "tried once at most  451 4.4.3 far.test: the resolver answers SERVFAIL" in first
    assert second.startswith("other.test  1 recipient in 1 mail")
    _, mail = command("queue", "FAR.test").splitlines()
    assert mail.startswith(f"  {sent} of m2  2 recipients  tried once  next 20")


def test_what_waits_can_be_tried_at_once(world: RelayWorld, command: Command) -> None:
    world.submit("a@far.test")
    world.run()
    assert world.run() == 0
    assert command("retry", "far.test") == "1 mail for far.test will be tried now"
    assert world.run() == 1


def test_what_is_held_is_not_tried_until_it_is_released(world: RelayWorld, command: Command) -> None:
    assert command("hold", "far.test").startswith("mail for far.test is held")
    sent = world.submit("a@far.test")
    assert world.run() == 0
    assert "held" in command("queue")
    assert command("retry", "far.test").endswith(
        "once it is released: it is held (`ledgermail relay release far.test`)"
    )
    assert command("release", "far.test") == "mail for far.test is sent again"
    assert world.run() == 1
    assert world.statuses(sent)[0][0] == "deferred"
    assert command("release", "other.test") == "other.test was not held"


def test_what_is_given_up_bounces_and_its_senders_are_told_once(world: RelayWorld, command: Command) -> None:
    command("hold", "far.test")
    sent = world.submit("a@far.test", "b@far.test", "c@other.test")
    told = command("bounce", "far.test")
    assert told == "1 mail for far.test given up, to 2 recipients; their senders are told"
    assert [status for status, _reply in world.statuses(sent)] == ["bounced", "bounced", "queued"]
    assert world.statuses(sent)[0][1] == "554 5.7.1 given up by the operator of this server"
    assert world.notices() == [], "a third recipient is still open"
    command("bounce", "other.test")
    (notice,) = world.notices()
    assert notice.count(b"Action: failed") == 3
    command("release", "far.test")
    assert world.is_clean()


def test_what_is_no_domain_is_said_in_one_line(command: Command) -> None:
    result = CliRunner().invoke(relay, ["hold", "no domain!"])
    assert "is not a domain name" in str(result.exception)
