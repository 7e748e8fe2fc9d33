"""Sessions: the same work for who exists and who does not, tokens kept as hashes, an end that all processes see."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from domain.events import SignedIn
from gateways.accounts import (
    AccountsUnavailableError,
    AccountSuspendedError,
    CredentialsInvalidError,
    Principal,
    SessionUnknownError,
    SignInThrottledError,
)
from infra.accounts.hashing import NOBODYS, PasswordHashing
from infra.accounts.known_tokens import BELIEVED_S, RememberedTokens
from infra.accounts.sessions import (
    DAY_MS,
    MAX_SESSIONS,
    SEEN_EVERY_MS,
    SESSION_MS,
    PostgresSessions,
)
from infra.store.lane import LaneClosedError
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def ms(self) -> int:
        return time.time_ns() // 1_000_000 + int(self.seconds * 1000) - 1_000_000

    def s(self) -> float:
        return self.seconds


def sessions_at(accounts: GivenAccounts, clock: Clock) -> PostgresSessions:
    return PostgresSessions(
        accounts.connect,
        accounts.credentials,
        accounts.unfinished,
        accounts.lane,
        accounts.second_factors,
        known=RememberedTokens(clock_s=clock.s),
        clock_ms=clock.ms,
    )


def test_signing_in_answers_a_token_that_speaks_for_the_account(accounts: GivenAccounts) -> None:
    account = accounts.given("token@example.test")
    signed_in = accounts.sign_in("TOKEN@example.test")
    assert signed_in.token.startswith("lm_")
    assert len(signed_in.token) == 46
    assert signed_in.account == account
    assert accounts.sessions.authenticate(signed_in.token) == Principal(
        account.account_id, account.mailbox_id, "token@example.test", signed_in.session_id, "user"
    )


def test_a_sign_in_is_recorded_in_the_owners_log(accounts: GivenAccounts) -> None:
    account = accounts.given("logged@example.test")
    signed_in = accounts.sessions.sign_in(
        "logged@example.test", PASSWORD, client="x\0y" + "z" * 900, network_address="192.0.2.9"
    )
    event = accounts.events(account.mailbox_id)[-1].event
    assert isinstance(event, SignedIn)
    assert (event.session_id, event.address, event.protocol) == (signed_in.session_id, "192.0.2.9", "http")
    assert event.client == "xy" + "z" * 497


def test_the_token_itself_is_kept_nowhere(accounts: GivenAccounts) -> None:
    accounts.given("hidden@example.test")
    signed_in = accounts.sign_in("hidden@example.test")
    [row] = accounts.rows("SELECT s.*::text FROM sessions s WHERE session_id = %s", signed_in.session_id)
    assert signed_in.token not in row[0]
    assert signed_in.token.encode().hex() not in row[0]


@pytest.mark.parametrize("address", ["nobody@example.test", "no address", "", "nobody\0@example.test", "\ud800"])
def test_an_unknown_address_is_answered_as_a_wrong_password_is(accounts: GivenAccounts, address: str) -> None:
    with pytest.raises(CredentialsInvalidError) as wrong:
        accounts.sign_in("postmaster@example.test", "something else")
    with pytest.raises(CredentialsInvalidError) as unknown:
        accounts.sign_in(address)
    assert str(wrong.value) == str(unknown.value)


def test_an_unknown_address_costs_one_verification_of_a_hash_like_everybodys(
    accounts: GivenAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.given("timed@example.test")
    asked: list[str] = []
    verify = PasswordHasher.verify

    def noted(hasher: PasswordHasher, stored: str, password: bytes) -> bool:
        asked.append(stored)
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    check = accounts.credentials
    for address in ("timed@example.test", "untimed@example.test", "no address"):
        with pytest.raises(CredentialsInvalidError):
            check.require(address, "something else", network_address="192.0.2.10")
    known, unknown, invalid = asked
    assert (unknown, invalid) == (NOBODYS, NOBODYS)
    assert parameters(known) == parameters(NOBODYS)
    assert len(known) == len(NOBODYS)


def parameters(encoded: str) -> list[str]:
    return encoded.split("$")[1:4]


def test_no_password_is_the_one_that_stands_for_nobodys(accounts: GivenAccounts) -> None:
    assert not accounts.hashing.verify(None, "")
    assert not accounts.hashing.verify(None, PASSWORD)


@pytest.mark.parametrize("token", ["", "lm_", "lm_" + "x" * 43, "lm_" + "\0" * 43, "x" * 100_000, "lm_" + "é" * 43])
def test_a_token_that_nobody_was_given_speaks_for_nobody(accounts: GivenAccounts, token: str) -> None:
    assert accounts.sessions.authenticate(token) is None


def test_a_session_ended_here_is_ended_here_at_once(accounts: GivenAccounts) -> None:
    accounts.given("out@example.test")
    signed_in = accounts.sign_in("out@example.test")
    assert accounts.sessions.authenticate(signed_in.token) is not None
    accounts.sessions.end_session(signed_in.account.account_id, signed_in.session_id)
    assert accounts.sessions.authenticate(signed_in.token) is None


def test_a_session_ended_here_is_ended_in_another_process_within_a_second(
    accounts: GivenAccounts, other_process: GivenAccounts
) -> None:
    assert BELIEVED_S < 1
    accounts.given("far@example.test")
    signed_in = accounts.sign_in("far@example.test")
    clock = Clock()
    elsewhere = sessions_at(other_process, clock)
    assert elsewhere.authenticate(signed_in.token) is not None
    accounts.sessions.end_session(signed_in.account.account_id, signed_in.session_id)
    clock.seconds += BELIEVED_S
    assert elsewhere.authenticate(signed_in.token) is None


def test_what_is_remembered_is_answered_without_the_database(accounts: GivenAccounts) -> None:
    account = accounts.given("warm@example.test")
    clock = Clock()
    sessions = sessions_at(accounts, clock)
    signed_in = accounts.sign_in("warm@example.test")
    before = sessions.authenticate(signed_in.token)
    accounts.rows("UPDATE accounts SET role = 'auditor' WHERE account_id = %s RETURNING 1", account.account_id)
    assert sessions.authenticate(signed_in.token) is before
    clock.seconds += BELIEVED_S
    assert sessions.authenticate(signed_in.token).role == "auditor"


def test_a_session_expires(accounts: GivenAccounts) -> None:
    accounts.given("old@example.test")
    clock = Clock()
    sessions = sessions_at(accounts, clock)
    signed_in = sessions.sign_in("old@example.test", PASSWORD, client="", network_address="192.0.2.1")
    clock.seconds += 89 * DAY_MS / 1000
    assert sessions.authenticate(signed_in.token) is not None
    clock.seconds += 2 * DAY_MS / 1000
    assert sessions.authenticate(signed_in.token) is None
    assert sessions.list_sessions(signed_in.account.account_id) == []


def test_sessions_are_listed_latest_first_with_client_and_address(accounts: GivenAccounts) -> None:
    account = accounts.given("many@example.test")
    first = accounts.sign_in("many@example.test")
    second = accounts.sign_in("many@example.test", network_address="2001:db8::7")
    listed = accounts.sessions.list_sessions(account.account_id)
    assert [one.session_id for one in listed] == [second.session_id, first.session_id]
    assert (listed[0].client, listed[0].network_address) == ("a browser", "2001:db8::7")
    assert listed[0].expires_at == second.expires_at


def test_use_shows_in_the_list_to_some_minutes(accounts: GivenAccounts) -> None:
    account = accounts.given("used@example.test")
    clock = Clock()
    sessions = sessions_at(accounts, clock)
    signed_in = accounts.sign_in("used@example.test")
    clock.seconds += 3600
    sessions.authenticate(signed_in.token)
    [listed] = sessions.list_sessions(account.account_id)
    assert listed.last_seen_at >= listed.created_at + 3_500_000


def test_signing_out_elsewhere_keeps_the_session_that_asks(accounts: GivenAccounts) -> None:
    account = accounts.given("others@example.test")
    tokens = [accounts.sign_in("others@example.test") for _ in range(3)]
    assert accounts.sessions.end_others(account.account_id, keep=tokens[1].session_id) == 2
    alive = [accounts.sessions.authenticate(one.token) is not None for one in tokens]
    assert alive == [False, True, False]


@pytest.mark.parametrize("session_id", ["n0", "", "a\0b", "x" * 1000])
def test_a_session_of_nobody_cannot_be_ended(accounts: GivenAccounts, session_id: str) -> None:
    with pytest.raises(SessionUnknownError):
        accounts.sessions.end_session("u0", session_id)


def test_nobody_ends_the_session_of_another_account(accounts: GivenAccounts) -> None:
    accounts.given("mine@example.test")
    mine = accounts.sign_in("mine@example.test")
    with pytest.raises(SessionUnknownError):
        accounts.sessions.end_session(accounts.given("theirs@example.test").account_id, mine.session_id)
    assert accounts.sessions.authenticate(mine.token) is not None


def test_the_oldest_sessions_of_very_many_end(accounts: GivenAccounts) -> None:
    account = accounts.given("crowded@example.test")
    first = accounts.sign_in("crowded@example.test")
    accounts.rows(
        "INSERT INTO sessions SELECT sha256(n::text::bytea), 'n' || n, %s, '', '', %s + n, 0, %s"
        " FROM generate_series(1, %s) n RETURNING 1",
        account.account_id,
        first.expires_at - 90 * DAY_MS,
        first.expires_at,
        MAX_SESSIONS,
    )
    accounts.sign_in("crowded@example.test")
    assert len(accounts.sessions.list_sessions(account.account_id)) == MAX_SESSIONS
    assert accounts.sessions.authenticate(first.token) is None


def test_a_suspended_account_tells_so_only_to_who_knows_the_password(accounts: GivenAccounts) -> None:
    account = accounts.given("away@example.test")
    signed_in = accounts.sign_in("away@example.test")
    accounts.administration.suspend(account)
    with pytest.raises(AccountSuspendedError):
        accounts.sign_in("away@example.test")
    with pytest.raises(CredentialsInvalidError):
        accounts.sign_in("away@example.test", "something else")
    assert accounts.sessions.authenticate(signed_in.token) is None


def test_a_closed_account_is_as_if_nobody_had_it(accounts: GivenAccounts) -> None:
    accounts.administration.close(accounts.given("gone@example.test"))
    with pytest.raises(CredentialsInvalidError):
        accounts.sign_in("gone@example.test")


class ClosedLane:
    """An appender that takes nothing: what the lane is while the program stops."""

    def run(self, _command: object, *, timeout_s: float | None = 60) -> None:
        raise LaneClosedError("the lane is closed")


def test_a_sign_in_that_cannot_be_recorded_leaves_no_session(accounts: GivenAccounts) -> None:
    account = accounts.given("unrecorded@example.test")
    sessions = PostgresSessions(
        accounts.connect, accounts.credentials, accounts.unfinished, ClosedLane(), accounts.second_factors
    )
    with pytest.raises(AccountsUnavailableError):
        sessions.sign_in("unrecorded@example.test", PASSWORD, client="", network_address="")
    assert sessions.list_sessions(account.account_id) == []


def test_a_hash_with_older_parameters_is_renewed_at_the_next_sign_in(accounts: GivenAccounts) -> None:
    account = accounts.given("weakhash@example.test")
    older = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    accounts.rows("UPDATE accounts SET password_hash = %s WHERE account_id = %s RETURNING 1", older, account.account_id)
    accounts.sign_in("weakhash@example.test")
    [(renewed,)] = accounts.rows("SELECT password_hash FROM accounts WHERE account_id = %s", account.account_id)
    assert "m=19456" in renewed
    assert accounts.sign_in("weakhash@example.test").token


def test_at_most_two_hashes_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashing = PasswordHashing(at_once=2)
    at_once, most = [], []
    verify = PasswordHasher.verify

    def watched(hasher: PasswordHasher, stored: str, password: bytes) -> bool:
        at_once.append(1)
        most.append(len(at_once))
        try:
            return verify(hasher, stored, password)
        finally:
            at_once.pop()

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: hashing.verify(None, PASSWORD), range(12))) == [False] * 12
    assert max(most) == 2


def test_who_waits_too_long_for_a_turn_is_told_to_come_back() -> None:
    hashing = PasswordHashing(at_once=1, patience_s=0.0)
    with hashing._turn(), pytest.raises(SignInThrottledError):
        hashing.verify(None, PASSWORD)


def test_of_many_tokens_those_are_told_that_ended(accounts: GivenAccounts, other_process: GivenAccounts) -> None:
    for name in ("stands", "leaves", "shut-out"):
        accounts.given(f"{name}@example.test")
    stands, leaves, shut = (accounts.sign_in(f"{name}@example.test") for name in ("stands", "leaves", "shut-out"))
    tokens = [stands.token, leaves.token, shut.token]
    assert accounts.sessions.ended(tokens) == set()
    other_process.sessions.end_session(leaves.account.account_id, leaves.session_id)
    other_process.administration.suspend(other_process.accounts.at("shut-out@example.test"))
    assert accounts.sessions.ended([*tokens, "no token"]) == {leaves.token, shut.token, "no token"}
    assert accounts.sessions.authenticate(leaves.token) is None
    assert accounts.sessions.ended([]) == set()


def test_a_session_that_ran_out_has_ended(accounts: GivenAccounts) -> None:
    clock = Clock()
    sessions = sessions_at(accounts, clock)
    accounts.given("runs-out@example.test")
    token = sessions.sign_in("runs-out@example.test", PASSWORD, client="", network_address="192.0.2.7").token
    assert sessions.ended([token]) == set()
    clock.seconds += SESSION_MS / 1000 + 1
    assert sessions.ended([token]) == {token}


def test_whoever_waits_is_seen(accounts: GivenAccounts) -> None:
    clock = Clock()
    sessions = sessions_at(accounts, clock)
    accounts.given("seen@example.test")
    began = sessions.sign_in("seen@example.test", PASSWORD, client="", network_address="192.0.2.7")
    clock.seconds += SEEN_EVERY_MS / 1000 + 1
    assert sessions.ended([began.token]) == set()
    (session,) = sessions.list_sessions(began.account.account_id)
    assert session.last_seen_at >= session.created_at + SEEN_EVERY_MS
