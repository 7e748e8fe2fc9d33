"""With a second factor the password alone opens nothing; every code is good once, and the owner's log knows."""

import base64
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.events import RecoveryCodeUsed, SecondFactorAdded, SecondFactorRemoved, Who
from domain.totp import PERIOD_S, code_of, step_at
from gateways.accounts import Account, CredentialsInvalidError, SignedIn, SignInThrottledError
from gateways.second_factors import NewSecondFactor, TotpOnError, TotpRequiredError, TotpUnknownError
from infra.accounts.second_factors import BEGUN_MS, PURPOSE, WRONG_CODES, PostgresSecondFactors
from infra.accounts.sessions import PostgresSessions
from infra.accounts.throttle import SignInThrottle
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts

WHO = Who(actor="owner", client="a browser", protocol="http", address="192.0.2.90")
PLACE = {"network_address": "192.0.2.90"}


class Guarded:
    """An account with a second factor, and the clock that its codes go by."""

    def __init__(self, accounts: GivenAccounts, address: str) -> None:
        self.accounts = accounts
        self.address = address
        self.account: Account = accounts.given(address)
        self.now_ms = time.time_ns() // 1_000_000
        self.factors = PostgresSecondFactors(
            accounts.connect,
            accounts=accounts.accounts,
            check=accounts.credentials,
            throttle=SignInThrottle(accounts.failure_counts, "second factor", account=WRONG_CODES),
            appender=accounts.lane,
            secret=accounts.keys.derived(PURPOSE),
            issuer="mail.example.test",
            clock_ms=lambda: self.now_ms,
        )
        self.sessions = PostgresSessions(
            accounts.connect, accounts.credentials, accounts.unfinished, accounts.lane, self.factors
        )
        self.made: NewSecondFactor | None = None

    def begin(self) -> NewSecondFactor:
        self.made = self.factors.begin(self.account.account_id, password=PASSWORD, **PLACE)
        return self.made

    def code(self, *, away: int = 0) -> str:
        assert self.made is not None
        return code_of(base64.b32decode(self.made.secret), step_at(self.now_ms) + away)

    def wait(self) -> None:
        """A period later."""
        self.now_ms += PERIOD_S * 1000

    def switch_on(self) -> "Guarded":
        self.begin()
        self.factors.switch_on(self.account.account_id, self.code(), session_id="n1", who=WHO)
        self.wait()
        return self

    def sign_in(self, totp: str | None = None) -> SignedIn:
        return self.sessions.sign_in(self.address, PASSWORD, client="a browser", totp=totp, **PLACE)

    def remove(self, code: str) -> None:
        self.factors.remove(self.account.account_id, code, session_id="n1", who=WHO)

    def events(self) -> list[object]:
        return [one.event for one in self.accounts.events(self.account.mailbox_id)]


@pytest.fixture
def guarded(accounts: GivenAccounts, request: pytest.FixtureRequest) -> Callable[[], Guarded]:
    address = f"f{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}@example.test"
    return lambda: Guarded(accounts, address)


def test_the_password_alone_opens_nothing_once_it_is_on(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    with pytest.raises(TotpRequiredError):
        who.sign_in()
    with pytest.raises(TotpRequiredError):
        who.sign_in("  ")
    assert who.sign_in(who.code()).token
    assert SecondFactorAdded(session_id="n1") in who.events()


def test_begun_alone_it_guards_nothing(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    who.begin()
    assert who.sign_in().token
    assert not who.factors.is_on(who.account.account_id)


def test_beginning_takes_the_password(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    with pytest.raises(CredentialsInvalidError):
        who.factors.begin(who.account.account_id, password="a stranger's guess", **PLACE)


def test_its_address_for_an_authenticator_says_all_that_it_needs(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    made = who.begin()
    uri = urlsplit(made.uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == f"/mail.example.test:{who.address.replace('@', '%40')}"
    told = parse_qs(uri.query)
    assert told["secret"] == [made.secret]
    assert (told["issuer"], told["digits"], told["period"]) == (["mail.example.test"], ["6"], ["30"])


def test_no_code_opens_a_second_session(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    code = who.code()
    assert who.sign_in(code).token
    with pytest.raises(CredentialsInvalidError):
        who.sign_in(code)
    with pytest.raises(CredentialsInvalidError):
        who.sign_in(who.code(away=-1))
    assert who.sign_in(f"{who.code(away=1)[:3]} {who.code(away=1)[3:]}").token


def test_the_code_that_switched_it_on_opens_no_session(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    who.begin()
    who.factors.switch_on(who.account.account_id, who.code(), session_id="n1", who=WHO)
    with pytest.raises(CredentialsInvalidError):
        who.sign_in(who.code())


def test_of_two_that_race_with_one_code_one_gets_in(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    code = who.code()

    def try_it(_n: int) -> bool:
        try:
            return bool(who.sign_in(code).token)
        except CredentialsInvalidError:
            return False

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(try_it, range(4))) == 1


def test_a_recovery_code_is_good_once_however_it_is_typed_and_is_told(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    assert who.made is not None
    code = who.made.recovery_codes[3]
    assert who.sign_in(code.replace("-", " ").upper()).token
    assert RecoveryCodeUsed(left=9) in who.events()
    with pytest.raises(CredentialsInvalidError):
        who.sign_in(code)


def test_codes_of_a_factor_made_anew_before_open_nothing(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    old = who.begin()
    who.switch_on()
    with pytest.raises(CredentialsInvalidError):
        who.sign_in(old.recovery_codes[0])


def test_the_secret_and_the_recovery_codes_are_kept_nowhere(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    assert who.made is not None
    rows = who.accounts.rows("SELECT f.*::text FROM second_factors f WHERE account_id = %s", who.account.account_id)
    rows += who.accounts.rows("SELECT r.*::text FROM recovery_codes r WHERE account_id = %s", who.account.account_id)
    kept = " ".join(text for (text,) in rows)
    assert base64.b32decode(who.made.secret).hex() not in kept
    assert not any(code.replace("-", "").encode().hex() in kept for code in who.made.recovery_codes)


def test_guessers_of_codes_are_stopped_though_they_know_the_password(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    for _again in range(WRONG_CODES.failures):
        with pytest.raises(CredentialsInvalidError):
            who.sign_in("000000" if who.code() != "000000" else "000001")
    with pytest.raises(SignInThrottledError):
        who.sign_in(who.code())


def test_native_clients_need_an_app_password_once_it_is_on(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    native = who.accounts.native_sign_in
    place = {"client": "a phone", "protocol": "submission", **PLACE}
    assert native.with_password(who.address, PASSWORD, **place).session_id == "password"
    who.switch_on()
    with pytest.raises(CredentialsInvalidError):
        native.with_password(who.address, PASSWORD, **place)
    made = who.accounts.app_passwords.add(who.account.account_id, "phone")
    assert native.with_password(who.address, made.secret, **place).mailbox_id == who.account.mailbox_id
    signed_in = who.sign_in(who.code())
    by_token = native.with_token(signed_in.token, protocol="submission", **PLACE)
    assert by_token.account_id == who.account.account_id


def test_a_code_takes_it_off_and_the_password_is_enough_again(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    with pytest.raises(CredentialsInvalidError):
        who.remove("not a code")
    who.remove(who.code())
    assert who.sign_in().token
    assert SecondFactorRemoved(by="owner", session_id="n1") in who.events()
    with pytest.raises(TotpUnknownError):
        who.remove(who.code(away=1))
    assert who.accounts.rows("SELECT FROM second_factors WHERE account_id = %s", who.account.account_id) == []
    assert who.accounts.rows("SELECT FROM recovery_codes WHERE account_id = %s", who.account.account_id) == []


def test_one_that_is_on_is_neither_begun_nor_switched_on_again(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    with pytest.raises(TotpOnError):
        who.factors.begin(who.account.account_id, password=PASSWORD, **PLACE)
    with pytest.raises(TotpOnError):
        who.factors.switch_on(who.account.account_id, who.code(), session_id="n1", who=WHO)


def test_what_was_begun_long_ago_is_switched_on_no_more(guarded: Callable[[], Guarded]) -> None:
    who = guarded()
    who.begin()
    who.now_ms += BEGUN_MS
    with pytest.raises(TotpUnknownError):
        who.factors.switch_on(who.account.account_id, who.code(), session_id="n1", who=WHO)
    guarded_by_nobody = who.accounts.given(f"x{who.address}")
    with pytest.raises(TotpUnknownError):
        who.factors.switch_on(guarded_by_nobody.account_id, "000000", session_id="n1", who=WHO)


@pytest.mark.parametrize("state", ["on", "removed"])
def test_what_a_crash_kept_from_the_log_is_told_with_the_next_sign_in(
    guarded: Callable[[], Guarded], state: str
) -> None:
    who = guarded().switch_on()
    who.accounts.rows(
        "UPDATE second_factors SET state = %s, recorded = false, factor_id = 'f2' || account_id WHERE account_id = %s"
        " RETURNING 1",
        state,
        who.account.account_id,
    )
    if state == "removed":
        assert who.sign_in().token
        assert who.events()[-2] == SecondFactorRemoved(by="owner", session_id="n1")
    else:
        assert who.made is not None
        with pytest.raises(TotpRequiredError):
            who.sign_in()
        who.factors.record(who.account.account_id)
        assert who.events()[-1] == SecondFactorAdded(session_id="n1")
        who.factors.record(who.account.account_id)
    assert len([one for one in who.events() if isinstance(one, SecondFactorAdded | SecondFactorRemoved)]) == 2


def test_nobody_takes_off_the_second_factor_of_another_account(accounts: GivenAccounts) -> None:
    one, other = Guarded(accounts, "one-factor@example.test"), Guarded(accounts, "other-factor@example.test")
    one.switch_on()
    other.switch_on()
    with pytest.raises(CredentialsInvalidError):
        other.remove(one.code())
    assert one.made is not None
    with pytest.raises(CredentialsInvalidError):
        other.remove(one.made.recovery_codes[0])
    assert other.factors.is_on(other.account.account_id)
    assert one.sign_in(one.code()).token


def test_an_operator_takes_it_off_and_the_owner_sees_that(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    who.factors.remove_by_operator(who.account.account_id)
    assert who.sign_in().token
    assert SecondFactorRemoved(by="operator", session_id="") in who.events()
    with pytest.raises(TotpUnknownError):
        who.factors.remove_by_operator(who.account.account_id)


def test_an_erased_account_leaves_nothing_of_it(guarded: Callable[[], Guarded]) -> None:
    who = guarded().switch_on()
    who.accounts.administration.erase(who.account, why="asked for")
    for table in ("second_factors", "recovery_codes"):
        assert who.accounts.rows(f"SELECT FROM {table} WHERE account_id = %s", who.account.account_id) == []
