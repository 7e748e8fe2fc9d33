"""`ledgermail rebuild`: any view made again from the log, while the service runs."""

import enum
import time
from contextlib import ExitStack
from typing import Annotated

import typer

from domain.ids import MailboxId
from gateways.mail_objects import read_mail
from infra.command_line.opened import address_of, is_being_erased, mailboxes, opened_parts
from infra.command_line.progress import progress
from infra.composition import Parts
from infra.contacts_rebuild import rebuild_contacts, verify_contacts
from infra.extracts import Extracts
from infra.operator_errors import OperatorError
from infra.rebuild import rebuild_mailbox, verify_mailbox
from infra.search_rebuild import rebuild_search, verify_search
from infra.spam.parts import spam_view
from infra.spam.rebuild import rebuild_spam, verify_spam


class View(enum.StrEnum):
    """What can be rebuilt."""

    MAILBOX = "mailbox"
    SEARCH = "search"
    CONTACTS = "contacts"
    SPAM = "spam"
    ALL = "all"


class RebuildRefusedError(OperatorError):
    """What was asked for cannot be rebuilt so."""


def rebuild(
    view: Annotated[View, typer.Argument(help="mailbox: messages, labels, threads, counts. all: every view.")],
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", metavar="ADDRESS", help="Only this mailbox (not for search).")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only compare the stored views with the log; exit with 1 on a difference.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Switch to the rows that were built even where the old ones differ.")
    ] = False,
) -> None:
    """Make a view again from the log, beside the one that stands, and switch to it. The service may run.

    An interrupted rebuild goes on where it stood when it is called again. Differences that a rebuild finds between a
    mailbox's old rows and the log are shown: there should be none. The old rows then stay, unless with --force, and the
    exit code is 1.
    """
    chosen = [View.MAILBOX, View.CONTACTS, View.SPAM, View.SEARCH] if view is View.ALL else [view]
    if mailbox is not None and not verify and View.SEARCH in chosen:
        raise RebuildRefusedError("the search index is rebuilt for all mailboxes together: leave out --mailbox")
    with opened_parts() as parts:
        found = mailboxes(parts, mailbox)
        differences = sum(
            _verify(parts, one, found) if verify else _rebuild(parts, one, found, force=force) for one in chosen
        )
    if differences:
        raise typer.Exit(1)


def _rebuild(parts: Parts, view: View, found: list[MailboxId], *, force: bool) -> int:
    began = time.monotonic()
    if view is View.MAILBOX:
        events, differences = _mailbox(parts, found, force=force)
    else:
        events, differences = {View.CONTACTS: _contacts, View.SPAM: _spam, View.SEARCH: _search}[view](parts, found)
    took = max(time.monotonic() - began, 0.001)
    typer.echo(f"{view}: {events} events in {took:.1f} s, {events / took:.0f}/s")
    return differences


def _mailbox(parts: Parts, found: list[MailboxId], *, force: bool) -> tuple[int, int]:
    events = differences = 0
    with progress("rebuild mailbox") as told:
        for mailbox_id in found:
            rebuilt = rebuild_mailbox(
                parts.conninfo,
                parts.reader,
                mailbox_id,
                progress=lambda done, head, before=events: told(before + done, before + head),  # type: ignore[misc]
                force=force,
            )
            events += rebuilt.events
            differences += _show(parts, mailbox_id, list(rebuilt.differences))
            if not rebuilt.switched:
                typer.echo(f"{address_of(parts, mailbox_id)}: the old rows stay; --force switches to the new ones")
    return events, differences


def _contacts(parts: Parts, found: list[MailboxId]) -> tuple[int, int]:
    events = 0
    with parts.connect() as connection, progress("rebuild contacts") as told:
        for done, mailbox_id in enumerate(found, start=1):
            events += rebuild_contacts(connection, parts.reader, mailbox_id)
            told(done, len(found))
    return events, 0


def _spam(parts: Parts, found: list[MailboxId]) -> tuple[int, int]:
    events, view = 0, spam_view(parts)
    with parts.connect() as connection, progress("rebuild spam") as told:
        for done, mailbox_id in enumerate(found, start=1):
            events += rebuild_spam(connection, parts.reader, mailbox_id, view)
            told(done, len(found))
    return events, 0


def _search(parts: Parts, _found: list[MailboxId]) -> tuple[int, int]:
    extracts = Extracts(parts.connect, lambda name: read_mail(parts.blobs, name))
    with progress("rebuild search") as told:
        rebuilt = rebuild_search(
            parts.conninfo, parts.search.generations(), parts.reader, extract=extracts.extract, progress=told
        )
    if not rebuilt.old_removed:
        typer.echo("search: the old generation is still in use, the next rebuild removes it")
    return rebuilt.events, 0


def _verify(parts: Parts, view: View, found: list[MailboxId]) -> int:
    differences = 0
    with progress(f"verify {view}") as told:
        for done, mailbox_id in enumerate(found, start=1):
            differences += _show(parts, mailbox_id, _differences(parts, view, mailbox_id))
            told(done, len(found))
    typer.echo(f"{view}: {len(found)} mailboxes compared with the log, {differences} differences")
    return differences


def _differences(parts: Parts, view: View, mailbox_id: MailboxId) -> list[str]:
    if is_being_erased(parts, mailbox_id):
        return []
    if view is View.MAILBOX:
        return verify_mailbox(parts.conninfo, parts.reader, mailbox_id)
    with parts.connect() as connection, ExitStack() as closing:
        if view is View.CONTACTS:
            return verify_contacts(connection, parts.reader, mailbox_id)
        if view is View.SPAM:
            return verify_spam(connection, parts.reader, mailbox_id)
        return verify_search(connection, parts.search.live(closing), mailbox_id)


def _show(parts: Parts, mailbox_id: MailboxId, differences: list[str]) -> int:
    for difference in differences:
        typer.echo(f"{address_of(parts, mailbox_id)}: {difference}")
    return len(differences)
