"""`ledgermail relay`: mail to other hosts that waits, by destination, and what an operator does about it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from domain.times import rfc3339
from gateways.outgoing import DueMail
from gateways.relay.parcels import Parcel
from gateways.relay.schedule import Outcome
from gateways.relay.settlement import Tried
from infra.command_line.opened import opened_parts
from infra.command_line.sent import sent
from infra.operator_errors import OperatorError
from infra.relay.operator import RelayOperator, Waiting, WaitingMail
from infra.relay.parcels import PostgresParcels
from infra.relay.parts import RelayParts
from infra.settings_readers import domain_name

relay = typer.Typer(help="Mail to other hosts: what waits, and what to do about it.", rich_markup_mode=None)
relay.command()(sent)

BOUNCED = "554 5.7.1 given up by the operator of this server"
AT_ONCE = 200
Domain = Annotated[str, typer.Argument(help="The domain of the recipients, as `queue` shows it.")]


class NoSuchDomainError(OperatorError):
    """That is no domain."""


@relay.command()
def queue(
    domain: Annotated[str, typer.Argument(help="Only this domain, mail by mail.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many lines at most.")] = 100,
) -> None:
    """List what waits, by destination.

    The most recipients first: how often it was tried, when it is tried next, and the last reply.
    """
    with _operator() as operator:
        name = _named(domain) if domain else None
        found = operator.destinations(limit=limit, domain=name)
        if not found:
            typer.echo(f"nothing waits for {name}" if name else "nothing waits for other hosts")
        for waiting in found:
            typer.echo(_line(waiting))
        for mail in operator.mails(name, limit=limit) if name else ():
            typer.echo(_mail_line(mail))


@relay.command()
def retry(domain: Domain) -> None:
    """Try everything that waits for a domain now."""
    with _operator() as operator:
        name = _named(domain)
        typer.echo(f"{_mails(operator.retry(name))} for {name} will be tried now{_held_note(operator, name)}")


@relay.command()
def hold(domain: Domain) -> None:
    """Send nothing to a domain until it is released.

    What is being sent at this moment may end.
    """
    with _operator() as operator:
        name = _named(domain)
        operator.hold(name)
        typer.echo(f"mail for {name} is held: `ledgermail relay release {name}` lets it go")


@relay.command()
def release(domain: Domain) -> None:
    """Send again to a domain that was held."""
    with _operator() as operator:
        name = _named(domain)
        was_held = operator.release(name)
        typer.echo(f"mail for {name} is sent again" if was_held else f"{name} was not held")


@relay.command()
def bounce(domain: Domain) -> None:
    """Give up what waits for a domain; the senders are told."""
    with opened_parts() as parts, closing(RelayParts(parts)) as made:
        name = _named(domain)
        made.hints.attend()
        operator, parcels = RelayOperator(parts.connect), PostgresParcels(parts.connect, parts.reader)
        claimed = operator.claim(name, made.name)
        settlement = made.settlement(made.schedule)
        recipients = 0
        for at in range(0, len(claimed), AT_ONCE):
            due = claimed[at : at + AT_ONCE]
            opened = parcels.open(due)
            given_up = [_given_up(one) for one in opened.values() if isinstance(one, Parcel)]
            settlement.settle(given_up)
            recipients += sum(len(one.outcomes) for one in given_up)
            _leave(made, due, opened)
        typer.echo(f"{_mails(len(claimed))} for {name} given up, to {_recipients(recipients)}; their senders are told")


def _leave(made: RelayParts, due: Sequence[DueMail], opened: object) -> None:
    """What nobody is left to be told of is dropped; what cannot be read now stays."""
    assert isinstance(opened, dict)
    gone = [one for one in due if opened[one] is None]
    unread = [one for one in due if isinstance(opened[one], Exception)]
    if gone:
        made.schedule.drop(gone)
    for one in unread:
        typer.echo(f"cannot be read now, and stays: {one.submission_id} ({opened[one]})")


def _given_up(parcel: Parcel) -> Tried:
    outcomes = tuple(Outcome(place, "bounced", BOUNCED) for place in parcel.due.recipients)
    return Tried(parcel=parcel, outcomes=outcomes, is_over=True, due_again_at=parcel.queued_at)


def _line(waiting: Waiting) -> str:
    words = [waiting.domain, f"{_recipients(waiting.recipients)} in {_mails(waiting.mails)}"]
    words += ["held"] if waiting.is_held else []
    words += [f"{waiting.in_hand} being sent"] if waiting.in_hand else []
    words += [f"waits since {_time(waiting.oldest_at)}"] if waiting.oldest_at is not None else []
    words += [f"next {_time(waiting.next_at)}"] if waiting.next_at is not None and not waiting.is_held else []
    words += [f"tried {_times(waiting.attempts)} at most"] if waiting.attempts else []
    words += [waiting.last_reply] if waiting.last_reply else []
    return "  ".join(words)


def _mail_line(mail: WaitingMail) -> str:
    of = f" of {mail.mailbox_id}" if mail.mailbox_id else ""
    when = "being sent" if mail.is_in_hand else f"next {_time(mail.due_at)}"
    tried = f"tried {_times(mail.attempts)}" if mail.attempts else "not tried yet"
    return f"  {mail.submission_id}{of}  {_recipients(mail.recipients)}  {tried}  {when}  {mail.last_reply}".rstrip()


def _held_note(operator: RelayOperator, name: str) -> str:
    held = any(one.is_held for one in operator.destinations(limit=1, domain=name))
    return f" once it is released: it is held (`ledgermail relay release {name}`)" if held else ""


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"


def _recipients(count: int) -> str:
    return "1 recipient" if count == 1 else f"{count} recipients"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _time(unix_ms: int) -> str:
    return rfc3339(unix_ms)[:19] + "Z"


def _named(domain: str) -> str:
    """In A-labels. Raises: NoSuchDomainError"""
    try:
        return domain_name(domain)
    except ValueError as error:
        raise NoSuchDomainError(str(error)) from error


@contextmanager
def _operator() -> Iterator[RelayOperator]:
    with opened_parts() as parts:
        yield RelayOperator(parts.connect)
