"""What stands behind HTTP in an installation: the adapters of its ports, wired."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg_pool import PoolTimeout

from gateways.http.file_scans import FileScans
from gateways.http.ports import AsgiApp, HttpParts, HttpSettings
from gateways.http.token_checks import TokenChecks
from gateways.http.waiters import Waiters
from gateways.mail_objects import read_mail
from gateways.web.routes import page_routes
from infra.accounts.ended_sessions import CHANNEL as ENDED
from infra.accounts.endings import Endings
from infra.blob_references import toucher
from infra.caches.views import Views, with_cache
from infra.composition import Parts
from infra.contacts_view import StoredSuggestions
from infra.extracts import Extracts
from infra.kept_answers import PostgresKeptAnswers
from infra.keys import KeyMissingError
from infra.local_wakes import LocalListener
from infra.serving.checks import add_checks, gauges_of
from infra.settings import Settings
from infra.store.lane import LaneClosedError
from infra.timed_appender import TimedAppender
from infra.trail.appender import ToldAppender
from infra.uploads import PostgresUploads
from infra.views.database import Database, reading_pool
from infra.views.mailbox_facts import MailboxFacts
from infra.views.mailbox_records import MailboxRecords
from infra.views.message_lists import MessageLists
from infra.wakes import Listener

if TYPE_CHECKING:
    from infra.redis_server.fan_out import RedisListener

THREADS = 16
SCANS = 4
"""Uploads that are scanned at a time."""
HTTP_PURPOSE = b"ledgermail-http-1"
OUTAGES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    LaneClosedError,
    ConnectionError,
    KeyMissingError,
)
_HEADS = "SELECT mailbox_id, head FROM mailboxes WHERE mailbox_id = ANY (%s)"


def http_parts(parts: Parts, closing: ExitStack) -> HttpParts:
    """The parts of HTTP; what must be closed is handed to `closing`."""
    settings, keys = parts.settings, parts.keys
    secret = keys.derived(HTTP_PURPOSE)  # what HTTP signs and seals with everywhere
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
    closing.callback(executor.shutdown, cancel_futures=True)
    pool = reading_pool(parts.conninfo, max_size=THREADS)
    closing.callback(pool.close)
    database = Database(pool)
    search = parts.search.live(closing)
    views = Views(MessageLists(database), MailboxFacts(database), StoredSuggestions(database), search)
    if parts.redis is not None:
        views = with_cache(views, parts.redis.current_answers(database))
    waiters = Waiters(lambda ids: dict(database.all(_HEADS, (ids,))), executor)
    tokens = TokenChecks(parts.sessions.ended, executor)

    def ask_anew() -> None:
        tokens.doubt_all_from_thread()
        waiters.ask_from_thread()

    add_checks(parts)
    parts.checks.add("search", search.check, needed=False)
    ended = {ENDED: tokens.doubt_from_thread}
    listener = Listener(parts.conninfo, waiters.tell_from_thread, ask_anew, also=ended)
    closing.callback(listener.close)
    if (listen := _nearer(parts)) is not None:
        endings = Endings(parts.conninfo, tokens.doubt_from_thread, ask_anew)
        closing.callback(listen(waiters.tell_from_thread, ask_anew, before=endings).close)
    return HttpParts(
        settings=_values(settings, secret),
        executor=executor,
        appender=ToldAppender(TimedAppender(parts.lane)),
        lists=views.lists,
        facts=views.facts,
        records=MailboxRecords(database),
        reader=parts.reader,
        registration=parts.registration,
        accounts=parts.accounts,
        sessions=parts.sessions,
        passwords=parts.passwords,
        app_passwords=parts.app_passwords,
        second_factors=parts.second_factors,
        blobs=parts.blobs,
        extracts=Extracts(parts.connect, lambda name: read_mail(parts.blobs, name)),
        touch=toucher(parts.connect),
        uploads=PostgresUploads(parts.connect, holds_what_is_sent=parts.transfers is not None),
        transfers=parts.transfers,
        file_scans=_file_scans(parts, closing),
        kept_answers=PostgresKeptAnswers(parts.connect, secret),
        search=views.search,
        suggestions=views.suggestions,
        waiters=waiters,
        tokens=tokens,
        gauges=gauges_of(parts),
        checks=parts.checks,
        outages=OUTAGES,
        full=(psycopg.errors.DiskFull,),
        pages={route.path: _app(route) for route in page_routes(parts.transfers.origin if parts.transfers else "")},
    )


def _file_scans(parts: Parts, closing: ExitStack) -> FileScans | None:
    if parts.virus is None:
        return None
    executor = ThreadPoolExecutor(SCANS, thread_name_prefix="scans")
    closing.callback(executor.shutdown, cancel_futures=True)
    return FileScans(parts.virus.scanner, parts.blobs, executor)


def _nearer(parts: Parts) -> "Callable[..., RedisListener | LocalListener] | None":
    """By what heads come where there is a nearer way than NOTIFY, which is then for when that fails."""
    if parts.redis is not None:
        return parts.redis.listener
    return None if parts.wakes_folder is None else partial(LocalListener, parts.wakes_folder)


def _values(settings: Settings, secret: bytes) -> HttpSettings:
    return HttpSettings(
        hostname=settings.hostname,
        secret=secret,
        public_url=settings.public_url,
        undo_seconds=settings.undo_seconds,
        messages_per_minute=settings.messages_per_minute,
        messages_per_day=settings.messages_per_day,
        volume_from=settings.volume_from,
        max_message_bytes=settings.max_message_bytes,
        max_attachment_bytes=settings.max_attachment_bytes,
        account_requests_per_s=settings.account_requests_per_second,
        address_requests_per_s=settings.address_requests_per_second,
    )


def _app(route: object) -> AsgiApp:
    found: AsgiApp = route.app  # type: ignore[attr-defined]  # a Starlette route
    return found
