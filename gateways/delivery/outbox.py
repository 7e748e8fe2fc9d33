"""The port to submissions on their way: claimed once they are due, so that no undo comes after, and leased."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.events import SubmissionRecipient
from domain.ids import MailboxId, SubmissionId


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed submission. `statuses` runs parallel to `recipients`; times are unix milliseconds.

    `attempts` counts how often it was worked through, `failures` how often that failed for reasons of its own.
    """

    mailbox_id: MailboxId
    submission_id: SubmissionId
    claimed_at: int
    blob: str
    size_bytes: int
    mail_from: str
    recipients: tuple[SubmissionRecipient, ...]
    statuses: tuple[str, ...]
    ret: str | None = None
    envid: str | None = None
    attempts: int = 0
    failures: int = 0


class Outbox(Protocol):
    """Submissions on their way. Any number of senders side by side."""

    def lease(self, *, limit: int, lease_s: float) -> Sequence[Sending]:
        """Claim what is due in the outbox, and lease what is due of the claimed."""
        ...

    def postpone(self, sending: Sending, *, due_at: int, failures: int, error: str) -> None:
        """Worked through; due again at `due_at`."""
        ...

    def wait(self, sending: Sending, *, due_at: int, error: str) -> None:
        """Could not be worked through; due again at `due_at`, as if it had not been tried."""
        ...

    def done(self, sending: Sending) -> None:
        """Nothing is left to do for it."""
        ...
