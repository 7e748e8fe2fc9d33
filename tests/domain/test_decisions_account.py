"""What belongs to the account: profile, identities, contacts, rules, automatic reply, quota, sign-ins, passwords."""

import pytest

from domain import quota, refusals
from domain.decisions import (
    AddAppPassword,
    ChangeContact,
    ChangeIdentity,
    ChangeSettings,
    RecordPasswordChange,
    RecordSecondFactor,
    RecordSecondFactorGone,
    RecordSignIn,
    RemoveAppPassword,
    ReplaceRules,
    SetQuota,
    SetVacation,
)
from domain.events import (
    AppPasswordAdded,
    AppPasswordRemoved,
    ContactChanged,
    IdentityChanged,
    PasswordChanged,
    QuotaSet,
    QuotaWarned,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SettingsChanged,
    SignedIn,
)
from tests.domain.decided_mailbox import DecidedMailbox


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def test_settings_are_recorded_when_they_differ(mailbox: DecidedMailbox) -> None:
    wanted = {"display_name": "Ann B", "signature": "-- Ann", "time_zone": "Europe/Berlin"}
    assert mailbox.run(ChangeSettings, **wanted).events == (SettingsChanged(**wanted),)
    assert mailbox.run(ChangeSettings, **wanted).events == ()


@pytest.mark.parametrize("zone", ["", "../etc/passwd", "Europe/Berlin\n", "x" * 41, "a/b/c/d"])
def test_what_is_no_name_of_a_time_zone_is_refused(mailbox: DecidedMailbox, zone: str) -> None:
    with pytest.raises(refusals.SettingsInvalidError):
        mailbox.run(ChangeSettings, display_name="", signature="", time_zone=zone)


def test_an_identity_is_made_changed_and_taken_away(mailbox: DecidedMailbox) -> None:
    made = mailbox.run(ChangeIdentity, name="Ann", address="ann@example.org")
    identity_id = made.answer["id"]
    assert made.events == (IdentityChanged(identity_id=identity_id, name="Ann", address="ann@example.org"),)
    same = {"identity_id": identity_id, "name": "Ann", "address": "ann@example.org"}
    assert mailbox.run(ChangeIdentity, **same).events == ()
    assert mailbox.run(ChangeIdentity, **same, signature="A").events
    removed = mailbox.run(ChangeIdentity, identity_id=identity_id, removed=True)
    assert removed.events == (IdentityChanged(identity_id=identity_id, removed=True),)
    with pytest.raises(refusals.IdentityUnknownError):
        mailbox.run(ChangeIdentity, **same)


def test_an_identity_has_an_address(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.IdentityInvalidError):
        mailbox.run(ChangeIdentity, name="Ann")


def test_a_contact_is_made_changed_and_taken_away(mailbox: DecidedMailbox) -> None:
    made = mailbox.run(ChangeContact, name="Bob", addresses=("bob@example.com",))
    contact_id = made.answer["id"]
    assert made.events == (ContactChanged(contact_id=contact_id, name="Bob", addresses=("bob@example.com",)),)
    same = {"contact_id": contact_id, "name": "Bob", "addresses": ("bob@example.com",)}
    assert mailbox.run(ChangeContact, **same).events == ()
    assert mailbox.run(ChangeContact, **same, note="plays chess").events
    assert mailbox.run(ChangeContact, contact_id=contact_id, removed=True).events
    with pytest.raises(refusals.ContactUnknownError):
        mailbox.run(ChangeContact, contact_id=contact_id, removed=True)


@pytest.mark.parametrize(
    "fields", [{"name": "x" * 501}, {"note": "x" * 10_001}, {"addresses": ("a",) * 101}, {"addresses": ("x" * 321,)}]
)
def test_a_contact_has_bounds(mailbox: DecidedMailbox, fields: dict[str, object]) -> None:
    with pytest.raises(refusals.ContactInvalidError):
        mailbox.run(ChangeContact, **fields)


def test_identities_are_at_most_a_hundred(mailbox: DecidedMailbox) -> None:
    for _ in range(100):
        mailbox.run(ChangeIdentity, address="ann@example.org")
    with pytest.raises(refusals.IdentityInvalidError):
        mailbox.run(ChangeIdentity, address="ann@example.org")


@pytest.mark.parametrize(
    ("kind", "field", "refusal"),
    [(ReplaceRules, "rules", refusals.RulesInvalidError), (SetVacation, "vacation", refusals.VacationInvalidError)],
)
def test_rules_and_automatic_reply_are_json_of_bounded_size_and_depth(
    mailbox: DecidedMailbox, kind: type, field: str, refusal: type[Exception]
) -> None:
    (event,) = mailbox.run(kind, **{field: b'[{"if": 1}]'}).events
    assert bytes(getattr(event, field)) == b'[{"if": 1}]'
    assert mailbox.run(kind, **{field: b'[{"if": 1}]'}).events == ()
    for wrong in (b"", b"{", b"[" * 60_000, b'"' + b"x" * 65_536 + b'"'):
        with pytest.raises(refusal):
            mailbox.run(kind, **{field: wrong})


def test_a_quota_is_set_once_and_may_warn_at_once(mailbox: DecidedMailbox) -> None:
    mailbox.deliver(size=850)
    assert mailbox.run(SetQuota, limit_bytes=1000).events == (
        QuotaSet(limit_bytes=1000),
        QuotaWarned(level=80, used_bytes=850, limit_bytes=1000),
    )
    assert mailbox.run(SetQuota, limit_bytes=1000).events == ()
    for wrong in (-1, quota.MAX_BYTES + 1, 2**63, 10**30):
        with pytest.raises(refusals.QuotaInvalidError):
            mailbox.run(SetQuota, limit_bytes=wrong)
    assert len(mailbox.run(SetQuota, limit_bytes=quota.MAX_BYTES).events) == 1


@pytest.mark.parametrize(
    ("used", "state"),
    [(0, "ok"), (799, "ok"), (800, "warn80"), (900, "warn90"), (950, "warn95"), (999, "warn95"), (1000, "read_only")],
)
def test_a_mailbox_has_a_word_for_how_full_it_is(used: int, state: str) -> None:
    assert quota.state(used, 1000) == state


def test_sign_ins_and_passwords_are_recorded_every_time(mailbox: DecidedMailbox) -> None:
    came = {"session_id": "x", "address": "192.0.2.1", "client": "phone", "protocol": "http"}
    for _ in range(2):
        assert mailbox.run(RecordSignIn, **came).events == (SignedIn(**came),)
    assert mailbox.run(RecordPasswordChange, by="owner").events == (PasswordChanged(by="owner"),)
    named = {"app_password_id": "p1"}
    assert mailbox.run(AddAppPassword, **named, name="Mail").events == (AppPasswordAdded(**named, name="Mail"),)
    assert mailbox.run(RemoveAppPassword, **named).events == (AppPasswordRemoved(**named),)


def test_what_becomes_of_a_second_factor_is_recorded(mailbox: DecidedMailbox) -> None:
    assert mailbox.run(RecordSecondFactor, session_id="x").events == (SecondFactorAdded(session_id="x"),)
    came = {"session_id": "x", "address": "192.0.2.1", "client": "phone", "protocol": "http"}
    with_a_recovery_code = mailbox.run(RecordSignIn, **came, recovery_codes_left=9)
    assert with_a_recovery_code.events == (RecoveryCodeUsed(left=9), SignedIn(**came))
    gone = {"by": "operator", "session_id": ""}
    assert mailbox.run(RecordSecondFactorGone, **gone).events == (SecondFactorRemoved(**gone),)


def test_what_a_client_says_of_itself_is_cut(mailbox: DecidedMailbox) -> None:
    (event,) = mailbox.run(RecordSignIn, session_id="x", address="::1", client="c" * 10_000, protocol="imap").events
    assert len(event.client) == 500
