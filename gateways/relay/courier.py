"""Takes mails to one domain over a connection that is kept between them; where a host fails, to the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.outgoing import DueMail
from gateways.relay.message import Letter
from gateways.relay.parcels import Parcel
from gateways.relay.patience import Patience
from gateways.relay.replies import Reply
from gateways.relay.return_path import ReturnPaths
from gateways.relay.routing import MailHost, NoRouteYetError, Routing, UnroutableError
from gateways.relay.schedule import Outcome, Status
from gateways.relay.security import NO_POLICY, Security
from gateways.relay.sent_copy import SentCopy
from gateways.relay.session import (
    Handshake,
    HostFailedError,
    Said,
    Session,
    TlsFailedError,
    Transaction,
    Wanted,
    open_session,
)
from gateways.relay.seven_bit import NotSevenBitError
from gateways.relay.sources import Leaving
from gateways.relay.sts import Found
from gateways.relay.tls_outcomes import TlsOutcome, TlsOutcomes

BAD_S = 60.0
"""So long an address that failed is tried after the others."""
TOO_MANY_RECIPIENTS = 452
WANTS_TLS = 530
"""In clear: RFC 3207 section 4."""


async def _nobody_marks(_due: DueMail, _places: Sequence[int], _copy: SentCopy) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What all couriers share. `mark` keeps before the last dot what is sent; whether it is still ours to send."""

    routing: Routing
    security: Security
    tls_outcomes: TlsOutcomes
    returns: ReturnPaths
    hostname: str
    port: int
    mark: Callable[[DueMail, Sequence[int], SentCopy], Awaitable[bool]] = _nobody_marks
    patience: Patience = field(default_factory=Patience)
    bad: dict[str, float] = field(default_factory=dict)
    """Addresses that failed lately, until when (the loop's time)."""


@dataclass(slots=True)
class Trip:
    """How far one attempt is: the outcome of each recipient so far, in its last words."""

    parcel: Parcel
    letter: Letter
    on_final: Callable[[Sequence[Outcome]], None]
    """Told, once each, of recipients that are relayed or have bounced while others are still pending."""
    pending: set[int]
    began_s: float
    """The loop's time."""
    told: set[int] = field(default_factory=set)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    in_doubt: int = 0
    """After the data of how many recipients the line broke."""
    is_throttled: bool = False
    was_reached: bool = False
    """Whether a host took part in a transaction."""

    def settle(self, places: Sequence[int], status: Status, reply: str) -> None:
        """The last word on these recipients, in this attempt."""
        for place in places:
            self.pending.discard(place)
        self.note(places, status, reply)

    def note(self, places: Sequence[int], status: Status, reply: str) -> None:
        """What is known of them so far."""
        for place in places:
            self.outcomes[place] = Outcome(place, status, reply)

    @property
    def untold(self) -> tuple[Outcome, ...]:
        """What the attempt came to for those of whom nothing was told on the way."""
        return tuple(one for one in self.outcomes.values() if one.recipient not in self.told)

    def tell(self) -> None:
        """Say of whom the last word is spoken since the last time; the last of all are the attempt's own to tell."""
        if not self.pending:
            return
        final = [one for one in self.outcomes.values() if one.status != "deferred" and one.recipient not in self.told]
        self.told.update(one.recipient for one in final)
        if final:
            self.on_final(final)


class Courier:
    """One connection's worth of work for one domain."""

    def __init__(self, domain: str, road: Road, leaving: Leaving | None = None) -> None:
        self._domain = domain
        self._road = road
        self._leaving = leaving or Leaving()
        self._session: Session | None = None
        self._host = ""

    @property
    def is_connected(self) -> bool:
        """Whether a connection waits for another mail."""
        return self._session is not None and self._session.is_usable

    async def take(self, parcel: Parcel, letter: Letter, on_final: Callable[[Sequence[Outcome]], None]) -> Trip:
        """Try to relay to every open recipient of the parcel."""
        trip = Trip(parcel, letter, on_final, set(parcel.due.recipients), asyncio.get_running_loop().time())
        try:
            self._road.routing.permit(parcel.mail_from)
            await self._travel(trip)
        except UnroutableError as error:
            trip.settle(sorted(trip.pending), "bounced", str(error))
            trip.tell()
        except NoRouteYetError as error:
            trip.note(sorted(trip.pending), "deferred", str(error))
        return trip

    async def part(self) -> None:
        """End the connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.quit()

    def drop(self) -> None:
        """End the connection without a word."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    async def _travel(self, trip: Trip) -> None:
        tried: set[str] = set()
        if self.is_connected:
            await self._talk(trip)
            tried.update({self._host} if trip.was_reached else ())
        elif self._session is not None:
            await self.part()
        if not trip.pending:
            return
        hosts = [host for host in await self._road.routing.hosts(self._domain) if host.name not in tried]
        if hosts and not self._in_order(hosts):
            raise NoRouteYetError(f"451 4.4.1 {self._domain} has no host that this mail may reach from our addresses")
        sts = await self._road.security.of_domain(self._domain)
        for number, (host, address) in enumerate(self._in_order(hosts)):
            if not trip.pending or self._is_late(trip) or number >= self._road.patience.addresses:
                return
            if host.name in tried:
                continue
            await self.part()
            if await self._connected(trip, host, address, sts):
                tried.add(host.name)
                await self._talk(trip)

    def _is_late(self, trip: Trip) -> bool:
        return asyncio.get_running_loop().time() - trip.began_s > self._road.patience.attempt_s

    def _in_order(self, hosts: Sequence[MailHost]) -> Sequence[tuple[MailHost, str]]:
        """Those that it may leave towards by preference, those that failed a moment ago behind the others."""
        now = asyncio.get_running_loop().time()
        pairs = [(host, address) for host in hosts for address in host.addresses if self._leaving.reaches(address)]
        return sorted(pairs, key=lambda pair: self._road.bad.get(pair[1], 0.0) > now)

    async def _connected(self, trip: Trip, host: MailHost, address: str, sts: Found) -> bool:
        """Whether there is a session now; what stands against one is noted for those pending."""
        try:
            await self._connect(host, address, sts)
        except HostFailedError as error:
            trip.note(sorted(trip.pending), "deferred", str(error))
            trip.is_throttled = trip.is_throttled or error.is_throttled
            _put_bounded(self._road.bad, address, asyncio.get_running_loop().time() + BAD_S)
            return False
        return True

    async def _connect(self, host: MailHost, address: str, sts: Found) -> None:
        """Raises: HostFailedError"""
        try:
            ways = await self._road.security.ways(self._domain, host, sts)
        except TlsFailedError as error:
            self._count("sts", error.result, host)
            raise
        if ways.fault:
            self._count(ways.policy, ways.fault, host)
        *better, last = ways.handshakes
        for handshake in better:
            try:
                await self._open(host, address, handshake, ways.policy)
            except TlsFailedError:
                continue  # counted; the next way is a weaker one
            return
        await self._open(host, address, last, ways.policy)

    async def _open(self, host: MailHost, address: str, handshake: Handshake | None, policy: str) -> None:
        road = self._road
        try:
            session = await open_session(
                address,
                road.port,
                host=host.name,
                hostname=road.hostname,
                handshake=handshake,
                patience=road.patience,
                source=self._leaving.towards(address),
            )
        except TlsFailedError as error:
            self._count(policy, error.result, host)
            raise
        if session.is_encrypted:
            self._count(policy, "", host)
        elif handshake is not None:
            self._count(NO_POLICY, "starttls-not-supported", host)
        self._session, self._host = session, host.name

    def _count(self, policy: str, result: str, host: MailHost) -> None:
        self._road.tls_outcomes.count(TlsOutcome(self._domain, policy, result, host.name))

    async def _talk(self, trip: Trip) -> None:
        """Every transaction that is needed, on the session that stands; those for which no time is left come later."""
        session = self._session
        assert session is not None
        for wanted in self._transactions(trip, session):
            if not session.is_usable:
                break
            if self._is_late(trip):
                trip.note([one.place for one in wanted], "deferred", f"451 4.4.2 {self._host} is too slow")
                continue
            await self._transact(trip, session, wanted)
        if not session.is_usable:
            await self.part()

    def _transactions(self, trip: Trip, session: Session) -> Sequence[Sequence[Wanted]]:
        """The pending recipients by return path, so many at a time as any host takes; those it can never take are
        settled."""
        possible = self._possible(trip, session)
        trip.tell()
        paths: dict[str, list[Wanted]] = {}
        for wanted in possible:
            paths.setdefault(self._return_path(trip.parcel, wanted.place), []).append(wanted)
        most = self._road.patience.recipients
        return [some[at : at + most] for some in paths.values() for at in range(0, len(some), most)]

    def _return_path(self, parcel: Parcel, place: int) -> str:
        if not parcel.mail_from or parcel.is_passed_on:
            return parcel.mail_from
        return self._road.returns.make(parcel.mailbox_id, parcel.submission_id, place) or parcel.mail_from

    def _possible(self, trip: Trip, session: Session) -> Sequence[Wanted]:
        found = []
        for place in sorted(trip.pending):
            recipient = trip.parcel.recipients[place]
            try:
                address = EmailAddress.parse(recipient.address)
            except AddressInvalidError as error:
                trip.settle([place], "bounced", f"553 5.1.3 {error}")
                continue
            if not address.is_ascii and not session.offers("SMTPUTF8"):
                trip.settle([place], "bounced", f"553 5.6.7 {self._host} takes no such address")
                continue
            found.append(Wanted(place, str(address), recipient.notify, recipient.orcpt))
        return found

    async def _transact(self, trip: Trip, session: Session, wanted: Sequence[Wanted]) -> None:
        try:
            mail = await self._written(trip, session, wanted)
        except HostFailedError as refusal:
            trip.settle([one.place for one in wanted], "bounced", str(refusal))
            trip.tell()
            return

        copy = trip.letter.copy(
            in_seven_bits=not session.offers("8BITMIME"), host=self._host, return_path=mail.return_path
        )

        async def before_end(accepted: Sequence[int]) -> bool:
            return await self._road.mark(trip.parcel.due, accepted, copy)

        said = await session.send(mail, before_end)
        self._note(trip, session, wanted, said)
        trip.tell()
        again = [one for one in wanted if one.place in trip.pending and _is_one_too_many(said, one.place)]
        if again and len(again) < len(wanted) and session.is_usable:  # RFC 5321 section 4.5.3.1.10
            await self._transact(trip, session, again)

    async def _written(self, trip: Trip, session: Session, wanted: Sequence[Wanted]) -> Transaction:
        """Raises: HostFailedError, with what this host can never take about the message."""
        letter, parcel = trip.letter, trip.parcel
        return_path = self._return_path(parcel, wanted[0].place)
        is_plain = return_path.isascii() and all(one.path.isascii() for one in wanted)
        needs_smtputf8 = letter.needs_smtputf8 or not is_plain
        if needs_smtputf8 and not session.offers("SMTPUTF8"):
            raise HostFailedError(f"554 5.6.7 {self._host} takes no internationalized mail")
        try:
            content, size_bytes = await asyncio.to_thread(letter.wire, in_seven_bits=not session.offers("8BITMIME"))
        except NotSevenBitError as error:
            raise HostFailedError(f"554 5.6.3 {self._host} takes 7 bits alone: {error}") from error
        if 0 < session.largest_bytes < size_bytes:
            raise HostFailedError(f"552 5.3.4 {self._host} takes at most {session.largest_bytes} bytes")
        return Transaction(
            return_path=return_path,
            recipients=wanted,
            content=content,
            size_bytes=size_bytes,
            is_eight_bit=letter.is_eight_bit,
            needs_smtputf8=needs_smtputf8,
            ret=parcel.ret,
            envid=parcel.envid,
        )

    def _note(self, trip: Trip, session: Session, wanted: Sequence[Wanted], said: Said) -> None:
        trip.is_throttled = trip.is_throttled or said.is_throttled
        trip.was_reached = trip.was_reached or bool(said.replies)
        for one in wanted:
            reply = said.replies.get(one.place)
            if one.place in said.broke_after_data:
                trip.in_doubt += 1
                why = f"451 4.4.2 {self._host}: {said.broke or 'the line broke'} after the message: it may come twice"
                trip.settle([one.place], "deferred", why)
            elif reply is None:
                trip.note([one.place], "deferred", f"451 4.4.2 {self._host}: {said.broke}")
            else:
                self._judge(trip, session, one, reply)

    def _judge(self, trip: Trip, session: Session, wanted: Wanted, reply: Reply) -> None:
        if reply.code == WANTS_TLS and not session.is_encrypted:
            trip.note([wanted.place], "deferred", f"451 4.7.5 {self._host} wants TLS, which failed: {reply}")
        elif reply.is_permanent:
            trip.settle([wanted.place], "bounced", str(reply))
        elif not reply.is_positive:
            trip.note([wanted.place], "deferred", str(reply))
        else:
            trip.settle([wanted.place], "relayed", str(reply))
            if "SUCCESS" in wanted.notify and not session.offers("DSN"):
                trip.outcomes[wanted.place] = Outcome(wanted.place, "relayed", str(reply), is_to_be_told=True)


def _is_one_too_many(said: Said, place: int) -> bool:
    reply = said.replies.get(place)
    return reply is not None and reply.code == TOO_MANY_RECIPIENTS


def _put_bounded(found: dict[str, float], key: str, until: float) -> None:
    if len(found) > 10_000:
        found.clear()
    found[key] = until
