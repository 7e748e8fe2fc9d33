"""Which conversation a message belongs to: by every Message-ID that it bears or mentions, else by a reply's subject.

Message-IDs are kept as hashes. Every one seen *or mentioned* leads to a thread, so a late parent joins its children by
itself. A subject leads to a thread only for a reply ("Re:") that mentions nothing known, among the same correspondents,
within 30 days: messages that merely share a subject never join.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping

import msgspec

from domain.ids import ThreadId
from domain.rows import MAX_THREAD_MESSAGES
from domain.times import DAY_MS

MAX_REFS = 100
SUBJECT_WINDOW_MS = 30 * DAY_MS

_HASH_OCTETS = 16
_SPACE = re.compile(r"\s+")


class Found(msgspec.Struct, frozen=True):
    """The thread to stand in, and the threads that the message bridges to it (their messages move there)."""

    into: ThreadId
    joined: tuple[ThreadId, ...] = ()


def ref(message_id_header: str) -> str:
    """The hash of a Message-ID, with or without its angle brackets; empty for an empty one."""
    bare = _SPACE.sub("", message_id_header).removeprefix("<").removesuffix(">")
    return _hashed(bare) if bare else ""


def subject_ref(base_subject: str, addresses: Iterable[str]) -> str:
    """The hash of a base subject (RFC 5256 section 2.1) with all its correspondents; empty for an empty subject."""
    folded = _SPACE.sub(" ", base_subject).strip().casefold()
    if not folded:
        return ""
    return _hashed("\n".join((folded, *sorted({address.lower() for address in addresses}))))


def refs_of(message_id: str, references: Iterable[str], in_reply_to: Iterable[str]) -> tuple[str, ...]:
    """The hashes of a message's own Message-ID, then of those it mentions, the nearest parents first; 100 at most.

    `references` runs from the root to the parent (RFC 5322 section 3.6.4), so of too many the oldest are left out.
    """
    mentioned = (*in_reply_to, *reversed(tuple(references)))
    hashes = dict.fromkeys(ref(text) for text in (message_id, *mentioned))
    hashes.pop("", None)
    return tuple(hashes)[:MAX_REFS]


def choose(totals: Mapping[ThreadId, int]) -> Found | None:
    """Of the threads found, with their numbers of messages: the largest (ties: the smaller id), the others join it.

    Where all of them together have no room for one more they stay apart, and the largest with room takes it; none if
    there is none. Threads whose messages are all gone have nothing to move.
    """
    by_size = sorted(totals, key=lambda thread_id: (-totals[thread_id], thread_id))
    if sum(totals.values()) < MAX_THREAD_MESSAGES:
        return Found(by_size[0], tuple(t for t in by_size[1:] if totals[t])) if by_size else None
    with_room = [thread_id for thread_id in by_size if totals[thread_id] < MAX_THREAD_MESSAGES]
    return Found(with_room[0]) if with_room else None


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_HASH_OCTETS]
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
