"""The parts of the composition root that relaying is made of."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import psycopg

from domain.ids import MailboxId, SubmissionId, new_id
from gateways.bounces.kinds import kind_of
from gateways.bounces.return_path import MAX_PLACE
from gateways.bounces.return_path import ReturnPaths as SignedReturnPaths
from gateways.delivery.notification import Notifications
from gateways.http import metrics
from gateways.outgoing import OutgoingMail
from gateways.relay.courier import Road
from gateways.relay.destination import Pace
from gateways.relay.parcels import Parcel
from gateways.relay.relay import Relay
from gateways.relay.return_path import ReturnPaths
from gateways.relay.routing import Routing
from gateways.relay.schedule import Outcome
from gateways.relay.security import Security
from gateways.relay.settlement import Settlement
from gateways.relay.sources import Source, Sources
from gateways.relay.sts import StsPolicies
from infra.authentication import resolver
from infra.composition import Parts
from infra.delivery_parts import LONE_OUTAGES, OUTAGES
from infra.dkim_keys import PURPOSE, PostgresDkimKeys
from infra.queue_hints import QueueHints
from infra.relay.allowance import PostgresAllowance
from infra.relay.letters import BlobLetters, SigningKeys
from infra.relay.network import network
from infra.relay.parcels import PostgresParcels
from infra.relay.policy_fetch import HttpsPolicies
from infra.relay.schedule import PostgresSchedule
from infra.relay.sent_trips import SentTrips
from infra.relay.tls_memory import PostgresPolicies, TlsCounts, now_ms

CHORES_S = 5.0


class RelayParts:
    """Made from the parts of one process: what one relay has of its own. `close` ends its attendance."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.name = new_id("r")
        self.hints = QueueHints(parts.conninfo, self.name)
        archive = SentTrips(parts.keys) if parts.settings.sent_archive_days else None
        self.schedule = PostgresSchedule(parts.connect, self.name, on_doubt=metrics.IN_DOUBT.inc, archive=archive)
        self.tls_counts = TlsCounts(parts.connect)

    @property
    def returns(self) -> ReturnPaths:
        """How bounces find back."""
        return SignedPaths(self._parts.return_paths)

    def settlement(self, outgoing: OutgoingMail) -> Settlement:
        """What makes outcomes last."""
        parts = self._parts
        hostname = parts.settings.hostname
        return Settlement(
            schedule=self.schedule,
            outgoing=outgoing,
            appender=parts.lane,
            notifications=Notifications(
                queue=parts.queue, blobs=parts.blobs, hostname=hostname, clock_ms=now_ms, srs=parts.srs
            ),
            hostname=hostname,
            clock_ms=now_ms,
        )

    def relay(self, executor: Executor) -> Relay:
        """The relay, for the event loop that runs. Blocks a little."""
        parts, settings = self._parts, self._parts.settings
        self.hints.attend()
        self.schedule.end_leases_of_the_dead()
        keys = SigningKeys(PostgresDkimKeys(parts.connect, parts.keys.derived(PURPOSE)), frozenset(settings.domains))
        return Relay(
            outgoing=self.schedule,
            schedule=self.schedule,
            parcels=PostgresParcels(parts.connect, parts.reader),
            letters=BlobLetters(parts.blobs, keys),
            settlement=self.settlement(self.schedule),
            road=self._road(executor),
            executor=executor,
            heard=Counted(),
            clock_ms=now_ms,
            outages=(*OUTAGES, *LONE_OUTAGES),
            attend=self._chores(),
            sources=Sources(
                {
                    "personal": [Source(*one) for one in settings.relay_source_personal or ()],
                    "transactional": [Source(*one) for one in settings.relay_source_transactional or ()],
                    "bulk": [Source(*one) for one in settings.relay_source_bulk or ()],
                },
                PostgresAllowance(parts.connect, executor),
            ),
            pace=Pace(first=min(4, settings.relay_connections), most=settings.relay_connections),
        )

    def close(self) -> None:
        """Let others have what this relay holds."""
        with contextlib.suppress(psycopg.Error):  # counts of TLS may be lost
            self.tls_counts.write()
        self.hints.close()

    def _road(self, executor: Executor) -> Road:
        settings = self._parts.settings
        dns, where = resolver(settings), network(settings)
        authorities = None if settings.relay_ca is None else str(settings.relay_ca)
        policies = StsPolicies(
            dns,
            HttpsPolicies(dns, where, port=settings.relay_sts_port, authorities=authorities),
            PostgresPolicies(self._parts.connect, executor, clock_ms=now_ms),
            clock_ms=now_ms,
        )
        return Road(
            routing=Routing(dns, where, hostname=settings.hostname),
            security=Security(dns, policies, port=settings.relay_port, authorities=authorities),
            tls_outcomes=self.tls_counts,
            returns=self.returns,
            hostname=settings.hostname,
            port=settings.relay_port,
        )

    def _chores(self) -> Callable[[], None]:
        """Before each look at what is due: attend; now and then, look for leases of the dead and write counts."""
        last = [time.monotonic()]

        def chores() -> None:
            self.hints.attend()
            if time.monotonic() - last[0] >= CHORES_S:
                last[0] = time.monotonic()
                self.schedule.end_leases_of_the_dead()
                self.tls_counts.write()

        return chores


class SignedPaths:
    """The port `gateways.relay.return_path.ReturnPaths`, signed."""

    def __init__(self, paths: SignedReturnPaths) -> None:
        self._paths = paths

    def make(self, mailbox_id: MailboxId, submission_id: SubmissionId, place: int) -> str:
        """See `ReturnPaths.make`. The sender's own, where there are more recipients than places that can be signed."""
        return self._paths.make(mailbox_id, submission_id, place) if place <= MAX_PLACE else ""


class Counted:
    """The port `gateways.relay.settler.Heard`: into the metrics."""

    def settled(self, parcel: Parcel, outcomes: Sequence[Outcome]) -> None:
        """See `Heard.settled`."""
        for one in outcomes:
            metrics.RELAYED.labels(one.status).inc()
            if one.status == "bounced":
                metrics.BOUNCED.labels(kind_of(one.reply)).inc()

    def in_doubt(self, recipients: int) -> None:
        """See `Heard.in_doubt`."""
        metrics.IN_DOUBT.inc(recipients)


async def run_relay(made: RelayParts, executor: Executor, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Relay until `stop`."""
    loop = asyncio.get_running_loop()
    relay = made.relay(executor)
    stopped = asyncio.Event()

    def tell() -> None:
        stop.wait()
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=tell, name="relay stops", daemon=True).start()
    ready()
    await relay.run(stopped)
