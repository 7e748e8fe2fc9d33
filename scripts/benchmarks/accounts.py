"""Accounts of the measured installation, opened and signed in without HTTP, so that its limits are not in the way."""

import msgspec

from domain.ids import MailboxId
from infra.composition import Parts
from infra.settings import load
from scripts.benchmarks.stage import Stage

PASSWORD = "the measured installation's own"  # noqa: S105 - it lives as long as the run


class Holder(msgspec.Struct, frozen=True):
    """An account that is signed in."""

    address: str
    mailbox_id: MailboxId
    token: str


def open_accounts(stage: Stage, names: list[str]) -> list[Holder]:
    """New accounts in the installation."""
    with Parts(load(stage.environment)) as parts:
        parts.ensure_operator()
        return [_open(parts, f"{name}@example.test") for name in names]


def _open(parts: Parts, address: str) -> Holder:
    account = parts.registration.create(address, PASSWORD)
    signed_in = parts.sessions.sign_in(address, PASSWORD, client="bench", network_address="127.0.0.1")
    return Holder(address, account.mailbox_id, signed_in.token)
