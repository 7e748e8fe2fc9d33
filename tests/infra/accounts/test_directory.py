"""The directory: roles of every domain lead to the operator, shut accounts nowhere."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateways.accounts import CredentialsInvalidError
from gateways.directory import SUSPENDED, DirectoryEntry
from infra.operator_errors import OperatorError
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts, given_accounts

ROLES = [f"{role}@{domain}" for role in ("postmaster", "abuse") for domain in ("example.test", "example.org")]


@pytest.fixture(scope="module")
def two_domains(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GivenAccounts]:
    folder = tmp_path_factory.mktemp("domains")
    with given_accounts(module_database_url, folder, domains="example.test,example.org") as given:
        given.ensure_operator()
        yield given


@pytest.mark.parametrize("address", [*ROLES, "postmaster"])
def test_role_addresses_of_every_domain_lead_to_the_operators_mailbox(two_domains: GivenAccounts, address: str) -> None:
    operators = two_domains.accounts.at("postmaster@example.test")
    assert two_domains.directory.find(address) == DirectoryEntry(operators.mailbox_id)
    assert two_domains.topics(operators.mailbox_id) == ["MailboxOpened"]


def test_nobody_else_is_found(two_domains: GivenAccounts) -> None:
    for address in ("nobody@example.test", "postmaster@elsewhere.test", "abuse", "hostmaster@example.test"):
        assert two_domains.directory.find(address) is None


def test_an_account_of_the_roles_own_name_comes_before_the_operators(two_domains: GivenAccounts) -> None:
    account = two_domains.registration.create("abuse@example.org", PASSWORD)
    assert two_domains.directory.find("abuse@example.org") == DirectoryEntry(account.mailbox_id)
    two_domains.administration.close(account)
    operators = two_domains.accounts.at("postmaster@example.test")
    assert two_domains.directory.find("abuse@example.org") == DirectoryEntry(operators.mailbox_id)


@pytest.mark.parametrize("password", ["", "None", PASSWORD])
def test_nobody_signs_in_as_the_operator_before_a_password_is_set(two_domains: GivenAccounts, password: str) -> None:
    with pytest.raises(CredentialsInvalidError):
        two_domains.sign_in("postmaster@example.test", password)


def test_first_starts_side_by_side_make_one_operator(database_url: str, tmp_path: Path) -> None:
    with given_accounts(database_url, tmp_path) as one, GivenAccounts(one.settings) as other:
        assert one.lane is not other.lane
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda parts: parts.ensure_operator(), [one, other] * 4))
        one.ensure_operator()
        assert one.rows("SELECT address, kind, state FROM directory") == [
            ("postmaster@example.test", "operator", "open")
        ]


def test_the_setting_names_another_operator(database_url: str, tmp_path: Path) -> None:
    with given_accounts(database_url, tmp_path) as plain:
        ops = plain.given("ops@example.test")
    with given_accounts(database_url, tmp_path, postmaster="Ops@example.test") as named:
        named.ensure_operator()
        assert named.directory.find("abuse@example.test") == DirectoryEntry(ops.mailbox_id)
        assert named.rows("SELECT kind FROM directory") == [("operator",)]


def test_a_postmaster_that_is_no_address_is_one_line_for_the_operator(database_url: str, tmp_path: Path) -> None:
    wrong = given_accounts(database_url, tmp_path, postmaster="a..b@example.test")
    with wrong as parts, pytest.raises(OperatorError, match="LEDGERMAIL_POSTMASTER"):
        parts.ensure_operator()


def test_a_suspended_account_takes_no_mail_and_a_closed_one_is_nobody(two_domains: GivenAccounts) -> None:
    account = two_domains.given("sue@example.test")
    two_domains.administration.suspend(account)
    assert two_domains.directory.find("sue@example.test") == DirectoryEntry(account.mailbox_id, SUSPENDED)
    two_domains.administration.resume(account)
    assert two_domains.directory.find("sue@example.test") == DirectoryEntry(account.mailbox_id)
    two_domains.administration.close(account)
    assert two_domains.directory.find("sue@example.test") is None
