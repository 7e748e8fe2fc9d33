"""The doors through which mail comes in: SMTP and LMTP, each on an event loop of its own."""

import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import uvloop

from domain.ids import new_id
from gateways.dmarc_reports.tally import CountedScreener
from gateways.proxy.introductions import Introductions
from gateways.screening import Screener
from gateways.smtp.host import Dialect, Host
from gateways.smtp.limits import Limits
from gateways.smtp.server import SmtpServer
from gateways.smtp.standing import Doorkeeper
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.dmarc_counts import DmarcCounts
from infra.greylist import PostgresGreylist
from infra.operator_errors import OperatorError
from infra.serving.listening import wait_until_free
from infra.serving.roles import Ready
from infra.settings import Settings
from infra.settings_readers import ListenAddress

THREADS = 24
"""How many mails are made durable at once: flushes of the disk are shared among them."""
DRAIN_S = 6.0


def serve_smtp(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Take mail from strangers (RFC 5321) until `stop`; then let what is under way finish."""
    _serve(parts, Dialect.SMTP, parts.settings.smtp, stop, ready)


def serve_lmtp(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Take mail from a mail server in front of this one (RFC 2033) until `stop`."""
    _serve(parts, Dialect.LMTP, parts.settings.lmtp, stop, ready)


def _serve(parts: Parts, dialect: Dialect, address: ListenAddress, stop: threading.Event, ready: Ready) -> None:
    host = Host(
        hostname=parts.settings.hostname,
        new_acceptance_id=lambda: new_id("a"),
        dialect=dialect,
        limits=limits_of(parts.settings),
        greylisting="off" if dialect is Dialect.LMTP else parts.settings.greylist,
    )
    reception = DeliveryParts(parts).reception
    context = None if parts.certificate is None else parts.certificate.context
    shared = None if parts.redis is None else parts.redis.connection_rate(dialect.value, host.limits)
    looks = _screener(parts, dialect)
    counts = DmarcCounts(parts.connect) if looks is not None and parts.settings.dmarc_reports == "on" else None
    if looks is not None and counts is not None:
        looks = CountedScreener(looks, counts)
    virus = None if dialect is Dialect.LMTP else parts.virus
    wait_until_free(address, stop)

    async def serve() -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix=dialect.value) as executor:
            server = SmtpServer(
                host,
                reception=reception,
                executor=executor,
                ssl_context=context,
                screener=looks,
                scanner=None if virus is None else virus.for_loop(executor),
                on_virus=parts.settings.virus_policy,
                doorkeeper=_doorkeeper(parts.settings, dialect),
                greylist=PostgresGreylist(parts.connect),
                rate=shared,
                introductions=Introductions(parts.settings.proxies),
            )
            try:
                await server.listen(address.host, address.port)
            except OSError as error:
                raise cannot_listen(address, dialect.value, error) from error
            shown_host, shown_port = server.addresses[0]
            ready(f"{shown_host}:{shown_port}")
            await asyncio.get_running_loop().run_in_executor(None, stop.wait)
            await server.stop(deadline_s=DRAIN_S)

    with contextlib.ExitStack() as closing:
        if shared is not None:
            closing.callback(shared.close)
        if counts is not None:
            counts.start()
            closing.callback(counts.close)
        uvloop.run(serve())


def _screener(parts: Parts, dialect: Dialect) -> Screener | None:
    """Nobody before LMTP: whoever stands before it has seen the stranger."""
    settings, asks = parts.settings, None
    if dialect is Dialect.LMTP:
        return None
    if settings.authentication == "on":
        from infra.authentication import screener  # takes 0.1 s to import: only who uses it pays

        asks = screener(settings)
    if settings.spam == "off":
        return asks
    from infra.spam.parts import spam_filter

    return spam_filter(parts, asks)


def _doorkeeper(settings: Settings, dialect: Dialect) -> Doorkeeper | None:
    """Nobody where nothing is to be looked up, nor before LMTP."""
    if dialect is Dialect.LMTP or not (settings.dnsbl or settings.greylist != "off"):
        return None
    from infra.authentication import doorkeeper

    return doorkeeper(settings)


def cannot_listen(address: ListenAddress, what_for: str, error: OSError) -> OperatorError:
    """The reason, without the sentence that asyncio makes of it."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OperatorError(f"cannot listen on {address} for {what_for}: {reason}")


def limits_of(settings: Settings) -> Limits:
    """The bounds of one door."""
    return Limits(
        message_bytes=settings.max_message_bytes,
        recipients=settings.max_recipients,
        received_fields=settings.max_received_fields,
        connections=settings.max_connections,
        new_connections_per_s=settings.connections_per_second,
    )
