"""The DNS over one recursive resolver: questions over UDP, over TCP where the answer was cut, answers remembered.

Each question goes out from a socket of its own, so that a stranger must guess the port and the number of a question to
answer in the resolver's place (RFC 5452). The same question asked twice at once is sent once.
"""

import asyncio
import contextlib
import ipaddress
import re
import secrets
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
from dns.rdatatype import RdataType

from gateways.authentication.dns import Answer, DnsTemporaryError
from infra.dns_memory import DnsMemory
from infra.settings_readers import ListenAddress

TRIES_S: Final = (1.0, 2.0, 4.0)
"""How long each sending of a question is waited for."""
UDP_BYTES = 1232
"""What fits into one packet on every path."""
MAX_AT_ONCE = 256
"""Questions under way, each of which holds a socket; the others wait their turn."""
MAX_RECORDS = 200
"""More records of one kind at one name are nobody's mail set-up."""
SYSTEM_FILE = "/etc/resolv.conf"
_LABEL = re.compile(rb"[^.\x00]{1,63}")
_NAMESERVER = re.compile(r"^\s*nameserver\s+(\S+)", re.MULTILINE)
_HEADER = struct.Struct("!HHHHHH")
_RECURSION_AND_AD = 0x0120
_ADDRESSES = {4: RdataType.A, 6: RdataType.AAAA}
T = TypeVar("T")


class DnsResolver:
    """The port `gateways.authentication.dns.Resolver` at `server`; see there. For one event loop at a time.

    `trusted`: what the server says of DNSSEC is believed; on loopback it always is.
    """

    def __init__(
        self,
        server: ListenAddress,
        *,
        trusted: bool = False,
        tries_s: tuple[float, ...] = TRIES_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._is_trusted = trusted or server.is_loopback
        self._tries_s = tries_s
        self._memory = DnsMemory(clock_s)
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._asked: dict[tuple[bytes, RdataType], asyncio.Task[Answer[Any]]] = {}

    async def txt(self, name: str) -> Answer[bytes]:
        """See `Resolver.txt`."""
        return await self._ask(name, RdataType.TXT, lambda record: b"".join(record.strings))

    async def addresses(self, name: str, *, version: int) -> Answer[str]:
        """See `Resolver.addresses`."""
        return await self._ask(name, _ADDRESSES[version], lambda record: str(record.address))

    async def mail_hosts(self, name: str) -> Answer[tuple[int, str]]:
        """See `Resolver.mail_hosts`."""
        return await self._ask(name, RdataType.MX, lambda record: (record.preference, _text(record.exchange)))

    async def tlsa(self, name: str) -> Answer[tuple[int, int, int, bytes]]:
        """See `Resolver.tlsa`."""
        return await self._ask(
            name, RdataType.TLSA, lambda record: (record.usage, record.selector, record.mtype, bytes(record.cert))
        )

    async def names(self, address: str) -> Answer[str]:
        """See `Resolver.names`."""
        name = dns.reversename.from_address(str(ipaddress.ip_address(address)))
        return await self._ask(_text(name), RdataType.PTR, lambda record: _text(record.target))

    async def _ask(self, name: str, kind: RdataType, read: Callable[[Any], T]) -> Answer[T]:
        octets = name_octets(name)
        if octets is None:
            return Answer(exists=False)
        known = self._memory.recall(octets, kind)
        if known is not None:
            return known
        return await asyncio.shield(self._sent(octets, kind, read))

    def _sent(self, octets: bytes, kind: RdataType, read: Callable[[Any], T]) -> "asyncio.Task[Answer[T]]":
        """The question under way, which whoever asks the same waits for; it goes on where he gives up."""
        asked = self._asked.get((octets, kind))
        if asked is None:
            asked = asyncio.get_running_loop().create_task(self._find(octets, kind, read))
            self._asked[octets, kind] = asked
            asked.add_done_callback(lambda done: self._answered(octets, kind, done))
        return asked

    def _answered(self, octets: bytes, kind: RdataType, done: "asyncio.Task[Answer[Any]]") -> None:
        self._asked.pop((octets, kind), None)
        if not done.cancelled():
            done.exception()  # told to those who wait; where nobody does any more it is no news

    async def _find(self, octets: bytes, kind: RdataType, read: Callable[[Any], T]) -> Answer[T]:
        try:
            message = await self._exchange(octets, kind)
            answer, ttl_s, size = _answer_of(message, kind, read, is_trusted=self._is_trusted)
        except DnsTemporaryError as error:
            self._memory.keep_failure(octets, kind, str(error))
            raise
        self._memory.keep(octets, kind, answer, ttl_s=ttl_s, size_bytes=size)
        return answer

    async def _exchange(self, octets: bytes, kind: RdataType) -> dns.message.Message:
        for patience_s in self._tries_s:
            question = _question(octets, kind)
            with contextlib.suppress(TimeoutError):
                async with self._slots, asyncio.timeout(patience_s):
                    return await self._once(question)
        raise DnsTemporaryError(f"the resolver {self._server} does not answer")

    async def _once(self, question: bytes) -> dns.message.Message:
        try:
            message = await self._by_udp(question)
            return await self._by_tcp(question) if message.flags & dns.flags.TC else message
        except OSError as error:
            raise DnsTemporaryError(f"the resolver {self._server} cannot be asked: {error}") from error
        except (dns.exception.DNSException, asyncio.IncompleteReadError, ValueError, struct.error) as error:
            raise DnsTemporaryError(f"the answer is garbled: {error!r}") from error

    async def _by_udp(self, question: bytes) -> dns.message.Message:
        """The first answer to this very question; what else arrives is passed over."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._server.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect((self._server.host, self._server.port))
            asking.send(question)
            while True:
                wire = await loop.sock_recv(asking, 65535)
                if _answers(wire, question):
                    return _message(wire)

    async def _by_tcp(self, question: bytes) -> dns.message.Message:
        reader, writer = await asyncio.open_connection(self._server.host, self._server.port)
        try:
            writer.write(struct.pack("!H", len(question)) + question)
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            wire = await reader.readexactly(size)
        finally:
            writer.close()
        if not _answers(wire, question):
            raise DnsTemporaryError("the answer is to another question")
        return _message(wire)


def system_resolver(path: str = SYSTEM_FILE) -> ListenAddress:
    """The first resolver that the system names; where it names none the one on this machine, as for other programs."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for name in _NAMESERVER.findall(file.read(65536)):
            with contextlib.suppress(ValueError):
                return ListenAddress(str(ipaddress.ip_address(name)), 53)
    return ListenAddress("127.0.0.1", 53)


def name_octets(name: str) -> bytes | None:
    """The name in lower case without its last dot; None where no name can be so (RFC 1035 section 2.3.4)."""
    try:
        octets = name.encode("ascii").lower()
    except UnicodeEncodeError:
        return None
    octets = octets.removesuffix(b".")
    if len(octets) > 253 or not all(map(_LABEL.fullmatch, octets.split(b"."))):
        return None
    return octets


def _question(octets: bytes, kind: RdataType) -> bytes:
    """RFC 1035 section 4.1, with AD to be told of DNSSEC (RFC 6840 section 5.7) and EDNS (RFC 6891 section 6.1)."""
    header = _HEADER.pack(secrets.randbits(16), _RECURSION_AND_AD, 1, 0, 0, 1)
    labels = b"".join(bytes((len(label),)) + label for label in octets.split(b"."))
    return header + labels + struct.pack("!BHH", 0, kind, 1) + struct.pack("!BHHIH", 0, 41, UDP_BYTES, 0, 0)


_EDNS_BYTES = 11


def _answers(wire: bytes, question: bytes) -> bool:
    """Whether it is an answer to this number and this question."""
    asked = question[12:-_EDNS_BYTES]
    is_answer = len(wire) >= 12 and wire[:2] == question[:2] and bool(wire[2] & 0x80)
    return is_answer and wire[12 : 12 + len(asked)].lower() == asked


def _message(wire: bytes) -> dns.message.Message:
    return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)


def _answer_of(
    message: dns.message.Message, kind: RdataType, read: Callable[[Any], T], *, is_trusted: bool
) -> tuple[Answer[T], float, int]:
    """What the message answers, how long that holds, and about how many octets it takes."""
    code = message.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise DnsTemporaryError(f"the resolver answers {dns.rcode.to_text(code)}")
    if not isinstance(message, dns.message.QueryMessage):
        raise DnsTemporaryError("the answer is none to a query")
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException as error:
        raise DnsTemporaryError(f"the answer is garbled: {error!r}") from error
    found = [] if chain.answer is None else [record for record in chain.answer if record.rdtype == kind]
    records = tuple(read(record) for record in found[:MAX_RECORDS])
    answer = Answer(
        records,
        exists=code == dns.rcode.NOERROR,
        authenticated=is_trusted and bool(message.flags & dns.flags.AD),
    )
    return answer, float(chain.minimum_ttl), 200 + sum(len(str(record)) for record in records)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True) if name != dns.name.root else ""
