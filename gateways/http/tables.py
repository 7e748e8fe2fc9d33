"""All operations: the contract's, resource by resource, and the service's own."""

from typing import TYPE_CHECKING

from gateways.http import (
    accounts,
    app_passwords,
    attachments,
    contacts,
    drafts,
    identities,
    importing,
    installation,
    labels,
    message_shown,
    messages,
    rules,
    search,
    second_factor,
    sending,
    sessions,
    snapshot,
    submissions,
    threads,
    unsubscribing,
)
from gateways.http.live import LiveRoute
from gateways.http.operations import Operation
from gateways.http.shapes import FoldedAnswer, SyncAnswer
from gateways.http.sync_pages import SharedPages
from gateways.http.sync_query import LiveQuery, SyncQuery
from gateways.http.sync_route import SyncRoute
from gateways.http.uploads import UploadRoute, upload_operation

if TYPE_CHECKING:
    from gateways.http.app import HttpApp

RESOURCES: tuple[Operation, ...] = (
    *snapshot.OPERATIONS,
    *messages.OPERATIONS,
    *message_shown.OPERATIONS,
    *importing.OPERATIONS,
    *threads.OPERATIONS,
    *labels.OPERATIONS,
    *contacts.OPERATIONS,
    *drafts.OPERATIONS,
    *sending.OPERATIONS,
    *submissions.OPERATIONS,
    *attachments.OPERATIONS,
    *unsubscribing.OPERATIONS,
    *search.OPERATIONS,
    *accounts.OPERATIONS,
    *sessions.OPERATIONS,
    *app_passwords.OPERATIONS,
    *second_factor.OPERATIONS,
    *identities.OPERATIONS,
    *rules.OPERATIONS,
)


def operations_of(app: "HttpApp") -> tuple[Operation, ...]:
    """The operations of an application."""
    contract = (
        *_streams(SyncRoute(app), LiveRoute(app, SharedPages(app.parts))),
        *RESOURCES,
        upload_operation(UploadRoute(app)),
    )
    return (*contract, *installation.operations(app.metrics, app.parts, contract))


def _streams(sync: SyncRoute, live: LiveRoute) -> tuple[Operation, ...]:
    found = [
        Operation(
            method="GET",
            path=path,
            summary="The mailbox's events after a seq: at once, after waiting, or live (text/event-stream)",
            exchange=sync,
            query=SyncQuery,
            answers={200: (SyncAnswer, FoldedAnswer)},
            errors=("sequence_ahead", "history_diverged", "mailbox_unknown"),
            tag="sync",
        )
        for path in ("/v1/sync", "/sync")
    ]
    websocket = Operation(
        method="GET",
        path="/v1/ws",
        summary="The same events over WebSocket; the token may be the second subprotocol after `access_token`",
        exchange=live,
        query=LiveQuery,
        answers={101: None},
        errors=("sequence_ahead", "mailbox_unknown"),
        tag="sync",
    )
    return (*found, websocket)
