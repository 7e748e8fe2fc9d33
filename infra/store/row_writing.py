"""Writing the rows that the events touched, each once, each table's rows as one JSON array (migration 0008)."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from domain.ids import ThreadId
from domain.rows import MailboxRow, Rows
from domain.stored_form import without_nul
from infra.store.array_literals import numbers, texts
from infra.store.wire import Asks
from projections.in_step import Touched

_encode = msgspec.json.Encoder().encode
_PLACES = ("messages", "memberships", "labels", "threads", "references", "drafts", "submissions", "documents")
_WRITE = f"SELECT write_rows({', '.join(['%s::json'] * len(_PLACES))})"
_LEAD = (
    "UPDATE thread_references x SET thread_id = n.into_id"
    " FROM unnest(%s::text[], %s::integer[], %s::text[], %s::text[]) AS n(mailbox_id, generation, from_id, into_id)"
    " WHERE x.mailbox_id = n.mailbox_id AND x.generation = n.generation AND x.thread_id = n.from_id"
)


class Written(msgspec.Struct, frozen=True):
    """A working set after its events, what they touched, and the head before them (compared and set)."""

    rows: Rows
    touched: Touched
    head_before: int
    hash_before: bytes


def write_rows(asks: Asks, sets: Sequence[Written], *, generation: int) -> None:
    """Queue the rows of all tables in a generation that is being built."""
    lead_references(asks, sets, generation)
    asks.ask(_WRITE, row_parameters(sets, generation))


def lead_references(asks: Asks, sets: Sequence[Written], generation: int | None = None) -> None:
    """Queue, where threads were joined, that every reference to the one leads to the other; before the rows."""
    led = [(item, pair) for item in sets for pair in _last_threads(item.touched.threads_led).items()]
    if led:
        asks.ask(
            _LEAD,
            (
                texts([item.rows.mailbox.mailbox_id for item, _ in led]),
                numbers(generation or item.rows.mailbox.generation for item, _ in led),
                texts([source for _, (source, _) in led]),
                texts([into for _, (_, into) in led]),
            ),
        )


def row_parameters(sets: Sequence[Written], generation: int | None = None) -> list[str | None]:
    """The parameters of `write_rows`: the touched rows of each table as a JSON array, None where there are none."""
    return [_array(sets, place, generation) for place in _PLACES]


def _last_threads(led: Iterable[tuple[ThreadId, ThreadId]]) -> dict[ThreadId, ThreadId]:
    """Where the stored references of each thread lead after all of these joins, in their order."""
    last: dict[ThreadId, ThreadId] = {}
    for source, into in led:
        for thread_id, end in last.items():
            if end == source:
                last[thread_id] = into
        last.setdefault(source, into)
    return last


def _array(sets: Iterable[Written], place: str, generation: int | None) -> str | None:
    encoded = [
        _prefixed(item.rows.mailbox, getattr(item.rows, place)[key], generation)
        for item in sets
        for key in getattr(item.touched, place)
    ]
    return (b"[" + b",".join(encoded) + b"]").decode() if encoded else None


def _prefixed(mailbox: MailboxRow, row: Any, generation: int | None) -> bytes:
    place = b'{"mailbox_id":"%b","generation":%d,' % (
        mailbox.mailbox_id.encode(),
        generation or mailbox.generation,
    )
    return place + without_nul(_encode(row))[1:]


def mailbox_parameter(sets: Sequence[Written]) -> str | None:
    """The parameter of `append_commit` for the compare-and-set of the mailbox rows, None where nothing changed."""
    return None if not sets else _encode([_compared(item) for item in sets]).decode()


def _compared(item: Written) -> dict[str, Any]:
    """The mailbox row to write, and the head that it must still have."""
    mailbox = item.rows.mailbox
    return {
        "mailbox_id": mailbox.mailbox_id,
        "head": mailbox.head,
        "head_hash": "\\x" + mailbox.head_hash.hex(),
        "head_before": item.head_before,
        "hash_before": "\\x" + item.hash_before.hex(),
        "recorded_at": mailbox.recorded_at,
        "used_bytes": mailbox.used_bytes,
        "quota_bytes": mailbox.quota_bytes,
        "quota_warned": mailbox.quota_warned,
        "messages": mailbox.messages,
        "last_uid_validity": mailbox.last_uid_validity,
        "sending_blocked": mailbox.sending_blocked,
        "sending_halved": mailbox.sending_halved,
        "erased": mailbox.erased,
    }
