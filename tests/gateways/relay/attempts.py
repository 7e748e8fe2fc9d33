"""Single attempts at a domain, without a schedule, a log or a store."""

import uvloop

from domain.events import SubmissionRecipient
from domain.ids import MailboxId, SubmissionId
from gateways.outgoing import DueMail
from gateways.relay.courier import Courier, Road, Trip
from gateways.relay.message import Letter
from gateways.relay.parcels import Parcel
from gateways.relay.patience import Patience
from gateways.relay.return_path import SendersOwn
from gateways.relay.routing import Routing
from gateways.relay.schedule import Outcome
from gateways.relay.security import Security
from gateways.relay.sources import Leaving
from gateways.relay.sts import KeptPolicy, StsPolicies
from gateways.relay.tls_outcomes import TlsOutcome
from infra.dns_resolver import DnsResolver
from infra.relay.network import MachineNetwork
from infra.relay.policy_fetch import HttpsPolicies
from infra.relay.tls_memory import now_ms
from infra.settings_readers import ListenAddress
from tests.relay_world import MAIL, SHORT


class Policies:
    """What is kept of MTA-STS, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptPolicy] = {}

    async def get(self, domain: str) -> KeptPolicy | None:
        return self.kept.get(domain)

    async def put(self, domain: str, kept: KeptPolicy) -> None:
        self.kept[domain] = kept


class Attempts:
    """Makes attempts to far.test, whose hosts are `sink` and, behind it, `backup`."""

    def __init__(self, dns: ListenAddress, port: int) -> None:
        self.dns, self.port = dns, port
        self.patience: Patience = SHORT
        self.policies = Policies()
        self.authorities: str | None = None
        self.sts_port = 443
        self.may_send = True
        self.leaving = Leaving()
        self.told: list[Outcome] = []
        self.tls: list[TlsOutcome] = []

    def count(self, outcome: TlsOutcome) -> None:
        self.tls.append(outcome)

    def to(self, *recipients: str, raw: bytes = MAIL) -> Trip:
        return self.in_turn(recipients, raw=raw)[-1]

    def in_turn(self, *mails: tuple[str, ...], raw: bytes = MAIL) -> list[Trip]:
        """Each mail to its recipients, one after another by the same courier."""

        async def each() -> list[Trip]:
            courier = Courier("far.test", self.road(), self.leaving)
            trips = [await self._to(courier, recipients, raw) for recipients in mails]
            await courier.part()
            return trips

        return uvloop.run(each())

    async def _to(self, courier: Courier, recipients: tuple[str, ...], raw: bytes) -> Trip:
        due = DueMail(
            domain="far.test",
            mailbox_id=MailboxId("m1"),
            submission_id=SubmissionId("s1"),
            recipients=tuple(range(len(recipients))),
            attempt=1,
        )
        parcel = Parcel(
            due=due,
            mail_from="carl@example.test",
            recipients=tuple(SubmissionRecipient(one) for one in recipients),
            blob="",
            size_bytes=len(raw),
            queued_at=0,
        )
        return await courier.take(parcel, Letter(raw, lambda _raw: b""), self.told.extend)

    def road(self) -> Road:
        async def mark(_due: object, _places: object, _copy: object) -> bool:
            return self.may_send

        resolver = DnsResolver(self.dns, tries_s=(1.0, 2.0))
        network = MachineNetwork([], port=self.port, is_test_world=True)
        fetch = HttpsPolicies(resolver, network, port=self.sts_port, authorities=self.authorities)
        policies = StsPolicies(resolver, fetch, self.policies, clock_ms=now_ms)
        return Road(
            routing=Routing(resolver, network, hostname="mx.example.test"),
            security=Security(resolver, policies, port=self.port, authorities=self.authorities),
            tls_outcomes=self,
            returns=SendersOwn(),
            hostname="mx.example.test",
            port=self.port,
            mark=mark,
            patience=self.patience,
        )
