"""Accounts of the measured installation, opened and signed in without HTTP, so that its limits are not in the way."""

from pathlib import Path

import msgspec

from domain.ids import MailboxId
from infra.composition import Parts
from infra.settings import load

PASSWORD = "the measured installation's own"  # noqa: S105 - it lives as long as the run


class Holder(msgspec.Struct, frozen=True):
    """An account that is signed in."""

    address: str
    mailbox_id: MailboxId
    token: str


def open_accounts(folder: Path, names: list[str]) -> list[Holder]:
    """New accounts in the installation of this data folder."""
    with Parts(load({"LEDGERMAIL_DATA": str(folder)})) as parts:
        parts.ensure_operator()
        return [_open(parts, f"{name}@example.test") for name in names]


def _open(parts: Parts, address: str) -> Holder:
    account = parts.registration.create(address, PASSWORD)
    signed_in = parts.sessions.sign_in(address, PASSWORD, client="bench", network_address="127.0.0.1")
    return Holder(address, account.mailbox_id, signed_in.token)
