"""A real DNS on loopback, over UDP and TCP, that answers from a zone a test fills, or hangs, fails and lies."""

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dnslib import AAAA, CNAME, MX, PTR, QTYPE, RCODE, RD, RR, SOA, TXT, A, DNSRecord

from infra.settings_readers import ListenAddress

HANG, SERVFAIL, GARBAGE, STRANGER = "HANG", "SERVFAIL", "GARBAGE", "STRANGER"
UDP_BYTES = 1232

Records = Sequence[tuple[str, Any]]
"""(kind, value): a TXT value is bytes or a list of strings, an MX value (preference, host), a TLSA value (usage,
selector, matching type, data)."""


class Zone:
    """What the DNS knows, and what it was asked."""

    def __init__(self, names: Mapping[str, Records] | None = None) -> None:
        self.names: dict[str, list[tuple[str, Any]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.says_authenticated = False
        for name, records in (names or {}).items():
            self.put(name, records)

    def put(self, name: str, records: Records) -> None:
        self.names[name.lower().rstrip(".")] = list(records)

    def reply(self, wire: bytes, *, may_cut: bool) -> bytes | None:
        request = DNSRecord.parse(wire)
        name, kind = b".".join(request.q.qname.label).decode("latin-1").lower(), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        behaviour = {one for one, value in self.names.get(name, ()) if value is None or value == kind}
        if HANG in behaviour:
            return None
        if GARBAGE in behaviour:
            return wire[:2] + b"\x81\x80" + wire[4:6] + b"\x00\x01" + wire[8:] + b"\xff" * 7
        reply = request.reply()
        reply.header.ad = int(self.says_authenticated)
        if SERVFAIL in behaviour:
            reply.header.rcode = RCODE.SERVFAIL
            return bytes(reply.pack())
        self._answer(reply, name, kind)
        packed = bytes(reply.pack())
        if may_cut and len(packed) > UDP_BYTES:
            reply.rr, reply.auth, reply.header.tc = [], [], 1
            return bytes(reply.pack())
        return (b"\x00\x00" + packed[2:] if STRANGER in behaviour else b"") or packed

    def _answer(self, reply: DNSRecord, name: str, kind: str) -> None:
        for _hop in range(20):
            records = self.names.get(name)
            for one, value in records or ():
                if one == kind:
                    reply.add_answer(RR(name, QTYPE.reverse[kind], ttl=300, rdata=_data(kind, value)))
            alias = [value for one, value in records or () if one == "CNAME"]
            if not alias or kind == "CNAME":
                break
            reply.add_answer(RR(name, QTYPE.CNAME, ttl=300, rdata=CNAME(alias[0])))
            name = alias[0].lower().rstrip(".")
        if not any(rr.rtype == QTYPE.reverse[kind] for rr in reply.rr):
            is_parent = any(known.endswith(f".{name}") for known in self.names)
            reply.header.rcode = RCODE.NOERROR if name in self.names or is_parent else RCODE.NXDOMAIN
            soa = SOA("ns.test", "root.test", (1, 60, 60, 60, 60))
            reply.add_auth(RR("test", QTYPE.SOA, ttl=60, rdata=soa))


def _data(kind: str, value: Any) -> Any:
    if kind == "TXT":
        strings = [value] if isinstance(value, str | bytes) else list(value)
        whole = [one.encode("utf-8", "surrogateescape") if isinstance(one, str) else one for one in strings]
        return TXT([part for one in whole for part in _pieces(one)] or [b""])
    if kind == "MX":
        return MX(value[1], value[0])
    if kind == "TLSA":
        return RD(bytes(value[:3]) + value[3])
    return {"A": A, "AAAA": AAAA, "PTR": PTR}[kind](value)


def _pieces(octets: bytes) -> list[bytes]:
    return [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]


@contextmanager
def serving(zone: Zone) -> Iterator[ListenAddress]:
    """The zone, answered for at the address given."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, socket = self.request
            reply = zone.reply(wire, may_cut=True)
            if reply is not None:
                socket.sendto(reply, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            wire = self.rfile.read(int.from_bytes(self.rfile.read(2)))
            reply = zone.reply(wire, may_cut=False)
            if reply is not None:
                self.wfile.write(len(reply).to_bytes(2) + reply)

    tcp, udp = _bound(Tcp, Udp)
    with tcp, udp:
        threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in (udp, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield ListenAddress("127.0.0.1", udp.server_address[1])
        finally:
            udp.shutdown()
            tcp.shutdown()
            for thread in threads:
                thread.join()


def _bound(
    tcp_handler: Any, udp_handler: Any
) -> tuple[socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]:
    """Both on one number that is free for both."""
    while True:
        tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), tcp_handler)
        try:
            return tcp, socketserver.ThreadingUDPServer(tcp.server_address, udp_handler)
        except OSError:
            tcp.server_close()
