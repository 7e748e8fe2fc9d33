"""Failures to sign in: counted for the account and for the place, by all processes together."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from gateways.accounts import (
    AccountsUnavailableError,
    AccountSuspendedError,
    CredentialsInvalidError,
    SignInThrottledError,
)
from infra.accounts.failure_counts import PostgresBuckets
from infra.accounts.throttle import ACCOUNT, NETWORK, SignInThrottle
from infra.buckets import Bucket
from tests.contracts.buckets import Clock
from tests.infra.accounts.given_accounts import GivenAccounts

_networks = (f"198.51.100.{n}" for n in count(1))


def throttle_of(accounts: GivenAccounts, clock: Clock, **buckets: Bucket) -> SignInThrottle:
    return SignInThrottle(PostgresBuckets(accounts.connect, clock_ms=clock), **buckets)


def fail(throttle: SignInThrottle, address: str, network: str) -> None:
    with pytest.raises(CredentialsInvalidError), throttle.attempt(address, network):
        raise CredentialsInvalidError("wrong")


def succeed(throttle: SignInThrottle, address: str, network: str) -> None:
    with throttle.attempt(address, network):
        pass


def refused(throttle: SignInThrottle, address: str, network: str) -> int:
    with pytest.raises(SignInThrottledError) as error, throttle.attempt(address, network):
        pytest.fail("the password was looked at")
    assert error.value.members == {"retry_after_s": error.value.retry_after_s}
    return error.value.retry_after_s


def test_after_ten_failures_an_account_waits_and_one_is_forgotten_every_90_s(accounts: GivenAccounts) -> None:
    clock = Clock()
    throttle = throttle_of(accounts, clock)
    for network in (next(_networks) for _ in range(ACCOUNT.failures)):
        fail(throttle, "a@example.test", network)
    assert refused(throttle, "a@example.test", next(_networks)) == 90
    clock.now_ms += 89_000
    assert refused(throttle, "a@example.test", next(_networks)) == 1
    clock.now_ms += 1_000
    fail(throttle, "a@example.test", next(_networks))
    assert refused(throttle, "a@example.test", next(_networks)) == 90
    succeed(throttle, "b@example.test", next(_networks))


def test_a_success_forgets_the_failures_of_the_account_only(accounts: GivenAccounts) -> None:
    throttle = throttle_of(accounts, Clock(), network=Bucket(12, 1000))
    place = next(_networks)
    for _ in range(9):
        fail(throttle, "c@example.test", place)
    succeed(throttle, "c@example.test", place)
    for _ in range(3):
        fail(throttle, "c@example.test", place)
    assert refused(throttle, "c@example.test", place) == 1
    succeed(throttle, "c@example.test", next(_networks))


@pytest.mark.parametrize(
    ("one", "same"), [("2001:db8:1:2::3", "2001:db8:1:2:ffff::9"), ("192.0.2.200", "::ffff:192.0.2.200")]
)
def test_a_place_is_an_ipv4_address_or_a_64_of_ipv6(accounts: GivenAccounts, one: str, same: str) -> None:
    throttle = throttle_of(accounts, Clock(), network=Bucket(3, 1000))
    for number in range(3):
        fail(throttle, f"{one}{number}", one)
    assert refused(throttle, "d@example.test", same) == 1


def test_a_place_may_fail_a_hundred_times(accounts: GivenAccounts) -> None:
    throttle = throttle_of(accounts, Clock())
    place = next(_networks)
    for number in range(NETWORK.failures):
        fail(throttle, f"e{number}@example.test", place)
    assert refused(throttle, "e@example.test", place) == 9


def test_attempts_side_by_side_in_two_processes_cannot_slip_through(
    accounts: GivenAccounts, other_process: GivenAccounts
) -> None:
    clock = Clock()
    throttles = [throttle_of(accounts, clock), throttle_of(other_process, clock)]
    looked: list[int] = []
    start = threading.Barrier(10)

    def attempt(number: int) -> None:
        start.wait()
        for _ in range(3):
            try:
                with throttles[number % 2].attempt("f@example.test", f"203.0.113.{number}"):
                    looked.append(number)
                    raise CredentialsInvalidError("wrong")
            except (CredentialsInvalidError, SignInThrottledError):
                pass

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(attempt, range(10)))
    assert len(looked) == ACCOUNT.failures


@pytest.mark.parametrize("error", [AccountsUnavailableError("down"), SignInThrottledError("busy", retry_after_s=5)])
def test_what_was_never_checked_is_no_failure(accounts: GivenAccounts, error: Exception) -> None:
    throttle = throttle_of(accounts, Clock())
    name = f"{type(error).__name__}@example.test"
    for _ in range(30):
        with pytest.raises(type(error)), throttle.attempt(name, "203.0.113.99"):
            raise error
    succeed(throttle, name, "203.0.113.99")


def test_buckets_that_are_empty_again_are_swept_away(accounts: GivenAccounts) -> None:
    clock = Clock()
    throttle = throttle_of(accounts, clock)
    for number in range(5):
        fail(throttle, f"swept{number}@example.test", "203.0.113.77")
    clock.now_ms += 10**9
    for _ in range(40):
        succeed(throttle, "sweeper@example.test", "203.0.113.78")
    assert accounts.rows("SELECT count(*) FROM sign_in_failures WHERE empty_at < %s", clock.now_ms) == [(0,)]


def test_the_table_names_nobody(accounts: GivenAccounts) -> None:
    fail(throttle_of(accounts, Clock()), "secretive@example.test", "203.0.113.55")
    kept = accounts.rows("SELECT string_agg(subject, ' ') FROM sign_in_failures")[0][0]
    assert "secretive" not in kept
    assert "203.0.113" not in kept


def test_guessing_at_the_door_is_throttled_and_the_right_password_then_too(accounts: GivenAccounts) -> None:
    accounts.given("guessed@example.test")
    for _ in range(ACCOUNT.failures):
        with pytest.raises(CredentialsInvalidError):
            accounts.sign_in("guessed@example.test", "a wrong guess")
    with pytest.raises(SignInThrottledError) as throttled:
        accounts.sign_in("GUESSED@example.test")
    assert 0 < throttled.value.retry_after_s <= 90


def test_a_suspended_owner_with_the_right_password_is_no_failure(accounts: GivenAccounts) -> None:
    account = accounts.given("patient@example.test")
    accounts.administration.suspend(account)
    for _ in range(ACCOUNT.failures + 2):
        with pytest.raises(AccountSuspendedError):
            accounts.sign_in("patient@example.test")
