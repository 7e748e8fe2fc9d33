"""What a command is to the lane: whom it concerns, which rows it needs, and the pure decision.

Every command is a frozen struct in `domain.decisions`; `decide` reads `Rows` and answers `Decided` or raises a
`Refusal`. It never changes the rows.
"""

import hashlib
from typing import Any, ClassVar, Protocol

import msgspec

from domain.events import Event, Who
from domain.ids import IdMaker, MailboxId, MessageId, SubmissionId
from domain.rows import Needs, Rows


class Refusal(Exception):
    """A decision said no: nothing was appended. `code` is the stable code of the HTTP problem."""

    code: ClassVar[str] = "refused"


class HoldBlobs(msgspec.Struct, frozen=True):
    """The append holds these blobs for `holder` (`mailbox:<id>:<message id>`, `draft:…`, `upload:…`)."""

    holder: str
    names: tuple[str, ...]


class ReleaseBlobs(msgspec.Struct, frozen=True):
    """The append lets go of what `holder` held."""

    holder: str


class PutInOutbox(msgspec.Struct, frozen=True):
    """A submission waits in the outbox until `due_at` (unix milliseconds). `blob` is the object to send where that is
    not its message's."""

    submission_id: SubmissionId
    due_at: int
    blob: str = ""
    size_bytes: int = 0


class TakeFromOutbox(msgspec.Struct, frozen=True):
    """The submission no longer waits: undone, or handed on."""

    submission_id: SubmissionId


class ForgetLater(msgspec.Struct, frozen=True):
    """The message's salts and blobs are destroyed once the retention is over and nothing holds it."""

    origins: tuple[MessageId, ...]


class TellOwner(msgspec.Struct, frozen=True):
    """The mailbox's owner gets a notice in INBOX. `kind` is `quota`: the mailbox has passed `level` (per cent)."""

    kind: str
    level: int
    used_bytes: int
    limit_bytes: int


Effect = HoldBlobs | ReleaseBlobs | PutInOutbox | TakeFromOutbox | ForgetLater | TellOwner


class Decided(msgspec.Struct, frozen=True):
    """What a decision came to: events (may be none), what else the same commit writes, and the answer.

    `answer` is JSON-able and kept with the command id, so that a repeat gets the same; the lane adds `seq`.
    """

    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    answer: dict[str, msgspec.Raw | str | int | bool | list[str] | None] = {}


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command: the head it reached, its first event's seq (last + 1 for none), and its answer.

    `answer` always holds `seq`; `repeated` says that the command had been appended before and this is its first answer.
    """

    seq: int
    first_seq: int
    answer: dict[str, Any]
    repeated: bool = False


class Context(msgspec.Struct, frozen=True):
    """What a decision may not make up itself: the time (unix milliseconds) and new ids."""

    now_ms: int
    new_id: IdMaker


class Command(Protocol):
    """A frozen struct that the lane can run. `digest` tells a repeat from another command under the same id."""

    @property
    def mailbox_id(self) -> MailboxId:
        """The mailbox that it concerns."""

    @property
    def command_id(self) -> str:
        """Unique within the mailbox; seen before, the first outcome is the answer."""

    @property
    def who(self) -> Who:
        """Recorded with every event of the command."""

    def needs(self) -> Needs:
        """The rows that the decision reads first."""

    def decide(self, rows: Rows, context: Context) -> Decided:
        """The decision; raises `Refusal`."""


class MailboxCommand(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that every command has."""

    mailbox_id: MailboxId
    command_id: str
    who: Who = Who()


def digest(command: Command) -> bytes:
    """SHA-256 over the kind and the fields of a command, less who sent it and under which id."""
    assert isinstance(command, MailboxCommand)
    plain = msgspec.structs.replace(command, command_id="", who=Who())
    return hashlib.sha256(type(command).__name__.encode() + b"\0" + msgspec.json.encode(plain)).digest()
