"""`ledgermail replay`: a mailbox's events, one after another, to be read or piped on."""

import sys
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from domain.events import RecordedEvent
from domain.ids import MailboxId
from domain.times import unix_ms
from infra.command_line.opened import Address, mailbox_at, opened_parts
from infra.composition import Parts
from infra.operator_errors import OperatorError
from infra.store.mapper import Mapper, StoredRow
from infra.told_events import EventWords


class UntilInvalidError(OperatorError):
    """`--until` is neither a seq nor a time."""

    exit_code = 2


def replay(
    address: Address,
    since: Annotated[int, typer.Option("--since", metavar="N", min=0, help="Only events after this seq.")] = 0,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="N|TIME", help="Up to this seq, or time such as 2026-11-22T05:00:00Z."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines: the event as /sync shows it, and `who` with client and address.")
    ] = False,
) -> None:
    """Print the events of a mailbox: seq, time, who, what, and by which client, over what, from where.

    What was destroyed for good is shown as redacted.
    """
    until_seq, until_ms = _until(until)
    with opened_parts() as parts:
        mailbox_id = mailbox_at(parts, address)
        rows = _rows(parts, mailbox_id, until_seq=until_seq, until_ms=until_ms)
        try:
            lines = _json_lines(parts, rows, since) if as_json else _lines(parts, rows, since, address)
            for line in lines:
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read has seen enough
            sys.stderr.close()


def _until(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    if text.isdecimal():
        return int(text), None
    try:
        return None, unix_ms(text)
    except ValueError as error:
        raise UntilInvalidError(f"--until {text[:100]!r}: {error}") from error


def _rows(parts: Parts, mailbox_id: MailboxId, *, until_seq: int | None, until_ms: int | None) -> Iterator[StoredRow]:
    for row in parts.recorder.stream(mailbox_id, until=until_seq):
        if until_ms is not None and row.recorded_at > until_ms:
            return
        yield row


def _lines(parts: Parts, rows: Iterator[StoredRow], since: int, owner: str) -> Iterator[str]:
    words = EventWords(owner)
    for row in rows:
        recorded = parts.reader.recorded_row(row)
        if row.seq > since:
            yield str(words.line(recorded))
        else:
            words.learn(recorded)


def _json_lines(parts: Parts, rows: Iterator[StoredRow], since: int) -> Iterator[str]:
    for row in rows:
        if row.seq > since:
            public = Mapper().to_public(parts.keys.get(row.mailbox_id), row)
            yield _with_who(public, parts.reader.recorded_row(row))


def _with_who(public: bytes, recorded: RecordedEvent) -> str:
    """The public form with one member more; there is none where the mailbox's key is gone."""
    if recorded.event is None:
        return public.decode()
    return (public[:-1] + b',"who":' + msgspec.json.encode(recorded.who) + b"}").decode()
