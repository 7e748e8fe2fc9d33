"""The door through which people's own programs hand mail over: with STARTTLS, and with TLS from the first octet."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import uvloop
from psycopg_pool import PoolTimeout

from domain.ids import new_id
from gateways.proxy.introductions import Introductions
from gateways.smtp.host import Host
from gateways.submission.handover import Handover
from gateways.submission.intake import SubmissionIntake
from gateways.submission.server import SubmissionServer
from gateways.submission.sign_in import MAX_LINE_OCTETS
from gateways.submission.tarpit import Tarpit
from infra.blob_references import toucher
from infra.composition import Parts
from infra.delivery_parts import OUTAGES, DeliveryParts
from infra.serving.listening import wait_until_free
from infra.serving.mail_doors import DRAIN_S, THREADS, cannot_listen, limits_of
from infra.serving.roles import Ready
from infra.timed_appender import TimedAppender
from infra.trail.appender import ToldAppender
from infra.trail.submission import ToldHandover, ToldSignIn
from infra.written_mail import TemporaryMail

DOOR = "submission"


def serve_submission(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Take mail from those who sign in (RFC 6409) until `stop`; then let what is under way finish."""
    settings, certificate = parts.settings, parts.certificate
    limits = replace(limits_of(settings), command_bytes=MAX_LINE_OCTETS)
    shared = None if parts.redis is None else parts.redis.connection_rate(DOOR, limits)
    plain, with_tls = settings.submission, settings.submissions
    intakes = _Intakes(parts)
    wait_until_free(plain, stop)
    if certificate is not None:
        wait_until_free(with_tls, stop)

    async def serve() -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix=DOOR) as executor:
            server = SubmissionServer(
                Host(hostname=settings.hostname, new_acceptance_id=lambda: new_id("a"), limits=limits),
                reception=intakes.reception,
                executor=executor,
                ssl_context=None if certificate is None else certificate.context,
                rate=shared,
                introductions=Introductions(settings.proxies),
                intakes=intakes.one,
                tarpit=Tarpit(),
            )
            address = plain
            try:
                await server.listen(plain.host, plain.port)
                if certificate is not None:
                    address = with_tls
                    await server.listen_with_tls(with_tls.host, with_tls.port)
            except OSError as error:
                raise cannot_listen(address, DOOR, error) from error
            ready(_told(server.addresses))
            await asyncio.get_running_loop().run_in_executor(None, stop.wait)
            await server.stop(deadline_s=DRAIN_S)

    with contextlib.ExitStack() as closing:
        if shared is not None:
            closing.callback(shared.close)
        uvloop.run(serve())


def _told(addresses: list[tuple[str, int]]) -> str:
    shown = [f"{host}:{port}" for host, port in addresses]
    return f"{shown[0]}, with TLS {shown[1]}" if len(shown) > 1 else f"{shown[0]} (without TLS: no certificate is set)"


class _Intakes:
    """What is the same for all sessions."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self._folder = settings.data
        self.reception = DeliveryParts(parts).reception
        self._sign_in = ToldSignIn(parts.native_sign_in)
        self._handover = ToldHandover(
            Handover(
                appender=ToldAppender(TimedAppender(parts.lane)),
                blobs=parts.blobs,
                directory=parts.directory,
                touch=toucher(parts.connect),
                is_open=parts.accounts.is_open,
                still_speaks=parts.native_sign_in.still_speaks,
                per_minute=settings.messages_per_minute,
                per_day=settings.messages_per_day,
                volume_from=settings.volume_from,
            )
        )

    def one(self) -> SubmissionIntake:
        """For one session."""
        return SubmissionIntake(
            self.reception,
            handover=self._handover,
            sign_in=self._sign_in,
            new_mail=lambda: TemporaryMail(self._folder),
            outages=(*OUTAGES, PoolTimeout, TimeoutError),
        )
