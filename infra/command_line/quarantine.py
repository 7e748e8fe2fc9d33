"""`ledgermail quarantine`: mail in which a virus was found after or instead of a refusal, for an operator to decide."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from domain.times import rfc3339
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.operator_errors import OperatorError
from infra.quarantine import HeldMail, PostgresQuarantine
from infra.settings import load

quarantine = typer.Typer(help="Infected mail that was not delivered.", rich_markup_mode=None)

_SHOWN = 100
Acceptance = Annotated[str, typer.Argument(help="The acceptance id, as `list` shows it.")]


class NotHeldError(OperatorError):
    """Nothing in the quarantine has this acceptance id."""


@quarantine.command("list")
def list_held(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = _SHOWN,
) -> None:
    """List what lies in the quarantine, the oldest first."""
    with _quarantine() as kept:
        for held in kept.list(limit=limit):
            typer.echo(f"{held.acceptance_id}  since {_time(held.held_at)}  {held.threat}  {_path(held)}")


@quarantine.command()
def show(acceptance_id: Acceptance) -> None:
    """Show a mail, and what was found in it.

    From whom it came, to whom it was to go, and where its object lies.
    """
    with _quarantine() as kept:
        held = _of(kept, acceptance_id)
        typer.echo(f"found      {held.threat}")
        typer.echo(f"since      {_time(held.held_at)}")
        if held.record is None:
            typer.echo("its record cannot be read")
            return
        envelope = held.record.envelope
        typer.echo(f"object     {held.record.blob} ({envelope.size_bytes} bytes)")
        typer.echo(
            f"received   {_time(envelope.received_at)} from {envelope.helo} [{envelope.peer}] by {envelope.protocol}"
        )
        typer.echo(f"from       <{envelope.reverse_path}>")
        for address in held.addresses:
            typer.echo(f"to         <{address}>")


@quarantine.command()
def release(acceptance_id: Acceptance) -> None:
    """Deliver a mail that you found to be harmless.

    To the recipients for whom it was kept, now.
    """
    with _quarantine() as kept:
        held = _of(kept, acceptance_id)
        if not kept.release(held):
            raise NotHeldError(f"{acceptance_id}: cannot be released")
        typer.echo(f"released  {acceptance_id}  {_path(held)}")


@quarantine.command()
def discard(acceptance_id: Acceptance) -> None:
    """Take it away; nobody is told."""
    with _quarantine() as kept:
        held = _of(kept, acceptance_id)
        if kept.discard(held):
            typer.echo(f"discarded  {acceptance_id}  {_path(held)}")


def _of(kept: PostgresQuarantine, acceptance_id: str) -> HeldMail:
    if (held := kept.find(acceptance_id)) is None:
        raise NotHeldError(f"{acceptance_id}: not in the quarantine")
    return held


def _path(held: HeldMail) -> str:
    sender = "?" if held.record is None else held.record.envelope.reverse_path
    return f"from <{sender}>  to {', '.join(held.addresses) or '?'}"


def _time(unix_ms: int) -> str:
    return rfc3339(unix_ms)[:19] + "Z"


@contextmanager
def _quarantine() -> Iterator[PostgresQuarantine]:
    with Parts(load(os.environ)) as parts:
        yield DeliveryParts(parts).quarantine
