"""`ledgermail queue`: what waits for delivery, and the dead letters that wait for an operator."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import psycopg
import typer
from psycopg import Connection

from domain.times import rfc3339
from gateways.queue import QueueRecord
from infra.composition import Parts
from infra.dead_letters import DeadLetter, DeadLetters
from infra.delivery_parts import DeliveryParts
from infra.operator_errors import OperatorError
from infra.postgres_queue import decoded, queue_depths
from infra.settings import load

queue = typer.Typer(help="What waits for delivery, and the dead letters.", rich_markup_mode=None)

_SHOWN = 100
UNREADABLE = "its record cannot be read"
_WAITING = "SELECT acceptance_id, open, due_at, record FROM queue_records ORDER BY due_at, acceptance_id LIMIT %s"
_FAILED = "SELECT recipient, failures, error FROM queue_failures WHERE acceptance_id = %s ORDER BY recipient"
_ONE = "SELECT record, open, due_at, interruptions FROM queue_records WHERE acceptance_id = %s"

Acceptance = Annotated[str, typer.Argument(help="The acceptance id, as `list` shows it.")]
Recipient = Annotated[str | None, typer.Option("--to", help="Only this recipient's letter.")]


class NoSuchRecordError(OperatorError):
    """Nothing in the queue or among the dead letters has this acceptance id."""


@dataclass(frozen=True, slots=True)
class _Post:
    """What the subcommands work on."""

    url: str
    letters: DeadLetters
    in_topic: Callable[[], int] | None
    """How many records lie in Kafka and are not delivered, where accepted mail goes by it."""

    @contextmanager
    def connect(self) -> Iterator[Connection[Any]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            yield connection


@queue.command("list")
def list_waiting(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many records at most.")] = _SHOWN,
) -> None:
    """List dead letters, then the records that wait.

    Of both, the longest due first.
    """
    with _post() as post, post.connect() as connection:
        depths = queue_depths(connection.cursor())
        typer.echo(f"{depths['ledgermail_queue_records']} waiting, {depths['ledgermail_dead_letters']} dead letters")
        if post.in_topic is not None:
            typer.echo(_lying_in_kafka(post.in_topic))
        for letter in post.letters.list(limit=limit):
            typer.echo(_line(letter))
        for acceptance_id, open_recipients, due_at, record in connection.execute(_WAITING, (limit,)):
            typer.echo(f"waits  {acceptance_id}  due {_time(due_at)}  {_path(_read(record), open_recipients)}")


@queue.command()
def show(acceptance_id: Acceptance) -> None:
    """Show a record or dead letter, and what went wrong.

    Its envelope, and where its object lies.
    """
    with _post() as post, post.connect() as connection:
        letters = post.letters.of(acceptance_id)
        waiting = connection.execute(_ONE, (acceptance_id,)).fetchone()
        if waiting is None and not letters:
            raise NoSuchRecordError(f"{acceptance_id}: neither in the queue nor among the dead letters")
        record = _read(waiting[0]) if waiting is not None else letters[0].record
        _show_envelope(record)
        if waiting is not None:
            typer.echo(f"due        {_time(waiting[2])}, {waiting[3]} workers died at it")
            failed = {r: f"{n} failures: {e}" for r, n, e in connection.execute(_FAILED, (acceptance_id,))}
            for index in waiting[1]:
                typer.echo(f"waits      {_address(record, index)}  {failed.get(index, '')}".rstrip())
        for letter in letters:
            typer.echo(_line(letter))


@queue.command()
def retry(acceptance_id: Acceptance, to: Recipient = None) -> None:
    """Put dead letters back into the queue, due at once."""
    with _post() as post:
        for letter in _chosen(post, acceptance_id, to):
            if post.letters.retry(letter):
                typer.echo(f"retried  {letter.acceptance_id}  to {letter.address}")


@queue.command()
def discard(acceptance_id: Acceptance, to: Recipient = None) -> None:
    """Give dead letters up; their senders are told.

    Unless the reverse-path is null.
    """
    with _post() as post:
        for letter in _chosen(post, acceptance_id, to):
            if post.letters.discard(letter):
                typer.echo(f"discarded  {letter.acceptance_id}  to {letter.address}")


def _chosen(post: _Post, acceptance_id: str, to: str | None) -> list[DeadLetter]:
    found = [letter for letter in post.letters.of(acceptance_id) if to in (None, letter.address)]
    if not found:
        raise NoSuchRecordError(f"{acceptance_id}: no such dead letter")
    return found


def _line(letter: DeadLetter) -> str:
    sender = f"from <{letter.record.envelope.reverse_path}>" if letter.record is not None else UNREADABLE
    return (
        f"dead   {letter.acceptance_id}  since {_time(letter.buried_at)}  {sender}  to {letter.address}  {letter.error}"
    )


def _read(stored: bytes) -> QueueRecord | None:
    try:
        return decoded(stored)
    except msgspec.DecodeError:
        return None


def _path(record: QueueRecord | None, recipients: Sequence[int]) -> str:
    if record is None:
        return UNREADABLE
    to = ", ".join(_address(record, index) for index in recipients)
    return f"from <{record.envelope.reverse_path}>  to {to}"


def _address(record: QueueRecord | None, index: int) -> str:
    named = record.envelope.recipients if record is not None else ()
    return named[index].forward_path if index < len(named) else f"recipient {index}"


def _show_envelope(record: QueueRecord | None) -> None:
    if record is None:
        typer.echo(UNREADABLE)
        return
    envelope = record.envelope
    typer.echo(f"object     {record.blob} ({envelope.size_bytes} bytes)")
    typer.echo(
        f"received   {_time(envelope.received_at)} from {envelope.helo} [{envelope.peer}] by {envelope.protocol}"
    )
    typer.echo(f"from       <{envelope.reverse_path}>")


def _time(unix_ms: int) -> str:
    return rfc3339(unix_ms)[:19] + "Z" if unix_ms else "now"


@contextmanager
def _post() -> Iterator[_Post]:
    with Parts(load(os.environ)) as parts:
        in_topic = None if parts.kafka is None else parts.kafka.backlog.records
        yield _Post(parts.conninfo, DeliveryParts(parts).dead_letters, in_topic)


def _lying_in_kafka(count: Callable[[], int]) -> str:
    try:
        return f"{count()} in Kafka, of which none is shown: what must wait moves here"
    except ConnectionError as outage:
        return f"how many lie in Kafka cannot be told now: {outage}"
