"""What it costs to authenticate mail: one message's checks beside dkimpy, ingest with them beside ingest without."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dkim
import uvloop
from dnslib.server import DNSLogger, DNSServer
from dnslib.zoneresolver import ZoneResolver

from gateways.authentication.dkim_keys import ACTIVE, DkimKey, new_keys
from gateways.authentication.evidence import Evidence
from gateways.authentication.overrides import Trust
from gateways.authentication.signing import signatures
from gateways.authentication.verdict import Authenticator
from gateways.authentication.zone_records import ZoneRecord
from gateways.screening import Arrival
from gateways.spam.bayes import Learnt
from gateways.spam.scoring import content_of, score, tokens_of
from gateways.spam.token_ids import TokenIds
from infra.dns_resolver import DnsResolver
from infra.settings_readers import ListenAddress
from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.mails import whole
from scripts.benchmarks.report import Figure, absolute, compared, p50
from scripts.benchmarks.service import WITHOUT_FOLLOWERS, service
from scripts.benchmarks.smtp_client import Load, send
from scripts.benchmarks.stage import Stage, say

ROW = "authentication"
DOMAIN = "elsewhere.test"
CONNECTIONS = 16
RECIPIENTS = 16
CHECKS = 500
WARMING = 64
"""Mails before the measured ones: what is loaded and asked once is no cost of a mail."""
SIZE_BYTES = 16_384


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `authentication`."""
    keys = new_keys(DOMAIN, label="bench", state=ACTIVE)[:1]
    with _dns(keys) as server:
        yield from _one_message(keys, server)
        yield from _ingest(stage, keys, server)


@contextmanager
def _dns(keys: Sequence[DkimKey]) -> Iterator[ListenAddress]:
    """A DNS that has the sender's records."""
    records = [
        ZoneRecord("SPF", DOMAIN, "TXT", "v=spf1 ip4:127.0.0.1 ip4:192.0.2.0/24 -all"),
        ZoneRecord("DMARC", f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject"),
        *(ZoneRecord("DKIM", key.name, "TXT", key.record) for key in keys),
    ]
    zone = ZoneResolver("\n".join(record.line for record in records))
    server = DNSServer(zone, port=0, address="127.0.0.1", logger=DNSLogger("error"))
    server.start_thread()
    try:
        yield ListenAddress("127.0.0.1", server.server.server_address[1])
    finally:
        server.stop()


def _one_message(keys: Sequence[DkimKey], server: ListenAddress) -> Iterator[Figure]:
    plain = whole(1, "ada@example.test", size=SIZE_BYTES, run="auth")
    signed = signatures(plain, keys, signed_at_s=int(time.time())) + plain
    texts = {key.name: key.record.encode() for key in keys}
    checked = {name: uvloop.run(_checked(raw, server)) for name, raw in (("signed", signed), ("unsigned", plain))}
    peer = _cpu_us(lambda: dkim.verify(signed, dnsfunc=lambda name, **_: texts[name.decode().rstrip(".")]), CHECKS // 5)
    yield compared(
        ROW,
        "a signed mail of 16 KB, all checks: CPU",
        checked["signed"],
        "µs",
        peer="dkimpy, DKIM alone",
        peer_value=peer,
    )
    ids = TokenIds(b"the key of a benchmark")
    filtered = _cpu_us(lambda: score(content_of(plain), Learnt(), ids), CHECKS)
    yield absolute(ROW, "a mail of 16 KB by the embedded filter, untaught: CPU", filtered, "µs")
    taught = _cpu_us(lambda: tokens_of(plain, ids), CHECKS)
    yield absolute(ROW, "a mail of 16 KB by the embedded filter, with the tokens of a taught one: CPU", taught, "µs")
    yield absolute(ROW, "an unsigned mail of 16 KB, all checks: CPU", checked["unsigned"], "µs")
    yield absolute(
        ROW, "signing with RSA: CPU", _cpu_us(lambda: signatures(plain, keys, signed_at_s=1), CHECKS // 5), "µs"
    )


async def _checked(raw: bytes, server: ListenAddress) -> float:
    """CPU µs of one message whose sender's records are known."""
    authenticator = Authenticator(DnsResolver(server), Trust())
    arrival = Arrival("192.0.2.1", "mail.elsewhere.test", f"writer@{DOMAIN}", "mx.example.test")

    async def check() -> str:
        evidence = Evidence()
        evidence.add(raw)
        evidence.finish()
        return (await authenticator.screen(arrival, evidence)).dmarc

    assert await check() == "pass"
    began = time.process_time()
    for _time in range(CHECKS):
        await check()
    return (time.process_time() - began) / CHECKS * 1e6


def _cpu_us(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _time in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def _ingest(stage: Stage, keys: Sequence[DkimKey], server: ListenAddress) -> Iterator[Figure]:
    """All by turns, half of the mails signed in each."""
    recipients = open_accounts(stage, [f"authenticated{number}" for number in range(RECIPIENTS)])
    settings = {
        "without": {},
        "with": {"LEDGERMAIL_DNS": str(server), "LEDGERMAIL_SPAM": "off"},
        "with filter and": {"LEDGERMAIL_DNS": str(server), "LEDGERMAIL_SPAM": "on"},
    }
    rates: dict[str, list[float]] = {told: [] for told in settings}
    cpu: dict[str, list[float]] = {told: [] for told in settings}
    for turn in range(2 if stage.sizes.rounds < 5 else 3):
        for told, environment in settings.items():
            with service(stage, only=WITHOUT_FOLLOWERS, environment=environment) as running:
                say(f"{ROW}: ingest {told} authentication, round {turn + 1}")
                asyncio.run(send(_load(running.smtp, recipients, keys, messages=WARMING)))
                running.wait_until("delivery", running.queue_is_empty)
                before = sum(running.cpu_s().values())
                load = _load(running.smtp, recipients, keys, messages=stage.sizes.ingest_messages)
                sent = asyncio.run(send(load))
                running.wait_until("delivery", running.queue_is_empty)
                rates[told].append(load.messages / sent.elapsed_s)
                cpu[told].append((sum(running.cpu_s().values()) - before) * 1000 / load.messages)
    for told, shown in (("with", "all checks"), ("with filter and", "all checks and the embedded filter")):
        yield compared(
            ROW, f"ingest with {shown}, half of the mails signed", p50(rates[told]), "/s",
            peer="without", peer_value=p50(rates["without"]), least=0.6,
        )  # fmt: skip
        yield compared(
            ROW,
            f"ingest with {shown}: CPU for 1,000",
            p50(cpu[told]),
            "s",
            peer="without",
            peer_value=p50(cpu["without"]),
        )


def _load(port: int, recipients: Sequence[Holder], keys: Sequence[DkimKey], *, messages: int) -> Load:
    run, contents = f"r{time.time_ns()}", []
    for number in range(messages):
        content = whole(number, recipients[number % len(recipients)].address, size=SIZE_BYTES, run=run)
        signed = signatures(content, keys, signed_at_s=int(time.time())) if number % 2 else b""
        contents.append(signed + content)
    return Load(
        port=port,
        recipients=[one.address for one in recipients],
        messages=messages,
        connections=CONNECTIONS,
        run=run,
        contents=contents,
    )
