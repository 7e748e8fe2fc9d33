"""The demonstration: two accounts and some hundred mails, there once however often it is asked for."""

import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import closing

import msgspec

from domain.commands import Outcome
from domain.events import Who
from domain.ids import MailboxId
from gateways.accounts import Account, AccountUnknownError, AddressTakenError
from gateways.mime.compose import compose
from gateways.mime.trace import trace_block
from infra.composition import Parts
from infra.demo_mail import DemoMail, Filed, demo_draft, demo_mails
from infra.direct_delivery import Arrival, DirectDelivery
from infra.label_paths import LabelPaths

NAMES = {"alice": "Alice Arden", "bob": "Bob Brandt"}
BATCH_MESSAGES = 64
WHO = Who(actor="system", client="ledgermail demo")
_SEEN = "SELECT command_id FROM commands WHERE mailbox_id = %s AND command_id = ANY(%s)"


class DemoAccount(msgspec.Struct, frozen=True):
    """One of the two. `password` is None where the account was there before: it is whatever it was."""

    address: str
    password: str | None


class DemoAccounts(msgspec.Struct, frozen=True):
    """Who can sign in, and how many mails were added now."""

    alice: DemoAccount
    bob: DemoAccount
    added: int


def make_demo(parts: Parts, *, say: Callable[[str], None], password: str | None = None) -> DemoAccounts:
    """Make the two accounts at the first domain and fill them; what is there already stays as it is.

    Without a password each gets one of its own. Interrupted, call again to go on.

    Raises: DomainRefusal, psycopg.Error, StorageFullError
    """
    domain = parts.settings.domains[0]
    made = {name: _account(parts, f"{name}@{domain}", NAMES[name], password) for name in NAMES}
    for _account_row, demo in made.values():
        say(f"{demo.address}: {'is there' if demo.password is None else 'made'}")
    with closing(DirectDelivery(parts.connect, parts.blobs, parts.lane)) as direct:
        added = _Filling(parts, direct, {name: account for name, (account, _) in made.items()}).fill()
    say(f"{added} mails added")
    return DemoAccounts(made["alice"][1], made["bob"][1], added)


def _account(parts: Parts, address: str, name: str, password: str | None) -> tuple[Account, DemoAccount]:
    try:
        return parts.accounts.at(address), DemoAccount(address, None)
    except AccountUnknownError:
        chosen = password or "-".join(secrets.token_hex(3) for _ in range(4))
    try:
        return parts.registration.create(address, chosen, display_name=name), DemoAccount(address, chosen)
    except AddressTakenError:  # another process made it meanwhile
        return parts.accounts.at(address), DemoAccount(address, None)


class _Filling:
    def __init__(self, parts: Parts, direct: DirectDelivery, accounts: dict[str, Account]) -> None:
        self._parts = parts
        self._direct = direct
        self._accounts = accounts
        self._addresses = {name: account.address for name, account in accounts.items()}
        # The accounts' own age: a repeat writes the same mails, though it comes later.
        self._newest_ms = min(account.created_at for account in accounts.values())

    def fill(self) -> int:
        """Add the mails that are missing; how many those were."""
        mails = sorted(demo_mails(self._addresses, self._newest_ms), key=lambda mail: mail.composition.date_ms)
        added = sum(self._fill_one(name, mails) for name in self._accounts)
        return added + self._draft()

    def _fill_one(self, owner: str, mails: list[DemoMail]) -> int:
        mailbox_id = self._accounts[owner].mailbox_id
        labels = LabelPaths(mailbox_id, self._parts.connect, self._parts.lane, WHO)
        own = [(mail, filed) for mail in mails for filed in mail.filed if filed.owner == owner]
        missing = self._missing(mailbox_id, own)
        added = 0
        for start in range(0, len(missing), BATCH_MESSAGES):
            arrivals = [self._arrival(mail, filed, labels) for mail, filed in missing[start : start + BATCH_MESSAGES]]
            added += _added(self._direct.submit(mailbox_id, arrivals, WHO))
        return added

    def _missing(self, mailbox_id: MailboxId, own: list[tuple[DemoMail, Filed]]) -> list[tuple[DemoMail, Filed]]:
        with self._parts.connect() as connection:
            rows = connection.execute(_SEEN, (mailbox_id, [_command_id(mail) for mail, _ in own])).fetchall()
        seen = {command_id for (command_id,) in rows}
        return [(mail, filed) for mail, filed in own if _command_id(mail) not in seen]

    def _arrival(self, mail: DemoMail, filed: Filed, labels: LabelPaths) -> Arrival:
        return Arrival(
            content=compose(mail.composition),
            command_id=_command_id(mail),
            received_at=mail.composition.date_ms,
            labels=(labels.at(tuple(filed.label.split("/"))),),
            keywords=filed.keywords,
            source=filed.source,
            trace=self._trace(mail, filed) if filed.source == "inbound" else b"",
        )

    def _trace(self, mail: DemoMail, filed: Filed) -> bytes:
        return trace_block(
            return_path=mail.composition.from_[0].address,
            delivered_to=self._addresses[filed.owner],
            helo="mail.example.net",
            client="192.0.2.25",
            hostname=self._parts.settings.hostname,
            protocol="ESMTP",
            acceptance_id=f"demo-{mail.key}",
            received_at_ms=mail.composition.date_ms,
        )

    def _draft(self) -> int:
        mail = demo_draft(self._addresses, self._newest_ms)
        (filed,) = mail.filed
        mailbox_id = self._accounts[filed.owner].mailbox_id
        if not self._missing(mailbox_id, [(mail, filed)]):
            return 0
        written = Arrival(
            content=compose(mail.composition, keep_bcc=True),
            command_id=_command_id(mail),
            received_at=mail.composition.date_ms,
            labels=(),
            source="draft",
        )
        return _added([self._direct.save_draft(mailbox_id, written, WHO)])


def _command_id(mail: DemoMail) -> str:
    return f"demo:{mail.key}"


def _added(futures: "Iterable[Future[Outcome]]") -> int:
    return sum(not future.result().repeated for future in futures)
