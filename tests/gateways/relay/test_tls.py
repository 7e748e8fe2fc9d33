"""TLS with other hosts: DANE, MTA-STS, and what can be had."""

import asyncio
import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateways.relay.sts import KeptPolicy, PolicyInvalidError, announced_id, policy_of
from gateways.relay.tls_outcomes import TlsOutcome
from infra.relay.tls_memory import now_ms
from tests.certificates import authority, issued
from tests.dns_zone import Zone
from tests.gateways.relay.attempts import Attempts
from tests.smtp_sink import Sink

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx.far.test\r\nmx: *.spare.test\r\nmax_age: 86400\r\n"


def key_digest(certificate: x509.Certificate) -> bytes:
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).digest()


def outcomes(attempts: Attempts) -> list[tuple[str, str]]:
    return [(one.policy, one.result) for one in attempts.tls]


@contextmanager
def serving_policy(context: ssl.SSLContext, answer: bytes, asked: list[bytes]) -> Iterator[int]:
    """A web server on 127.0.0.4 that answers everything with this."""
    loop, started, stopping, ports = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), list[int]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(handle, "127.0.0.4", 0, ssl=context) as server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


def served(text: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
    return (head + text).encode()


def test_tls_is_used_wherever_it_is_offered_whoever_signed_the_certificate(
    attempts: Attempts, sink: Sink, tmp_path: Path
) -> None:
    sink.tls, _ = issued(tmp_path, ["somebody.test"], authority(tmp_path))
    attempts.to("zoe@far.test")
    assert sink.taken[0].tls == "TLSv1.3"
    assert attempts.tls == [TlsOutcome("far.test", "no-policy-found", "", "mx.far.test")]
    assert sink.said.count("EHLO mx.example.test") == 2


def test_a_handshake_that_fails_falls_back_to_clear_once(attempts: Attempts, sink: Sink, tmp_path: Path) -> None:
    sink.tls, _ = issued(tmp_path, ["mx.far.test"], authority(tmp_path))
    sink.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    sink.tls.set_ciphers("AES128-SHA")  # which nobody offers by default
    trip = attempts.to("zoe@far.test")
    assert (trip.outcomes[0].status, sink.taken[0].tls, sink.connections) == ("relayed", None, 2)
    assert outcomes(attempts) == [("no-policy-found", "validation-failure")]


def test_a_host_that_takes_mail_by_tls_alone_gives_way_to_the_next_where_tls_fails(
    attempts: Attempts, sink: Sink, backup: Sink, tmp_path: Path
) -> None:
    sink.tls, _ = issued(tmp_path, ["mx.far.test"], authority(tmp_path))
    sink.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    sink.tls.set_ciphers("AES128-SHA")
    sink.replies["MAIL"] = "530 5.7.0 Must issue a STARTTLS command first"
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"
    assert (len(sink.taken), len(backup.taken)) == (0, 1)


def test_a_reply_said_before_the_handshake_is_not_taken_for_one_after_it(
    attempts: Attempts, sink: Sink, tmp_path: Path
) -> None:
    sink.tls, _ = issued(tmp_path, ["mx.far.test"], authority(tmp_path))
    sink.replies["STARTTLS"] = ["220 go on\r\n250 injected"]
    attempts.to("zoe@far.test")
    assert sink.taken[0].tls is None


@pytest.mark.parametrize(
    ("usage", "matches", "status"),
    [(3, True, "relayed"), (3, False, "deferred"), (2, True, "relayed"), (2, False, "deferred")],
)
def test_dane_proves_the_host_or_nothing_is_sent(
    attempts: Attempts, sink: Sink, backup: Sink, zone: Zone, tmp_path: Path, usage: int, matches: bool, status: str
) -> None:
    its = authority(tmp_path)
    sink.tls, certificate = issued(tmp_path, ["mx.far.test"], its)
    digest = key_digest(certificate if usage == 3 else its[2]) if matches else b"\0" * 32
    zone.says_authenticated = True
    zone.put("far.test", [("MX", (10, "mx.far.test"))])
    zone.put(f"_{attempts.port}._tcp.mx.far.test", [("TLSA", (usage, 1, 1, digest))])
    trip = attempts.to("zoe@far.test")
    assert trip.outcomes[0].status == status
    assert outcomes(attempts) == [("tlsa", "" if matches else "validation-failure")]
    assert all(one.tls for one in sink.taken)


def test_an_anchor_proves_a_certificate_for_its_names_alone(
    attempts: Attempts, sink: Sink, zone: Zone, tmp_path: Path
) -> None:
    its = authority(tmp_path)
    sink.tls, _ = issued(tmp_path, ["another.test"], its)
    zone.says_authenticated = True
    zone.put("far.test", [("MX", (10, "mx.far.test"))])
    zone.put(f"_{attempts.port}._tcp.mx.far.test", [("TLSA", (2, 0, 0, its[2].public_bytes(Encoding.DER)))])
    assert attempts.to("zoe@far.test").outcomes[0].status == "deferred"


def test_records_that_dnssec_does_not_prove_ask_for_nothing(attempts: Attempts, sink: Sink, zone: Zone) -> None:
    zone.put(f"_{attempts.port}._tcp.mx.far.test", [("TLSA", (3, 1, 1, b"\0" * 32))])
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"


def test_records_that_say_nothing_usable_ask_for_encryption(
    attempts: Attempts, sink: Sink, backup: Sink, zone: Zone, tmp_path: Path
) -> None:
    zone.says_authenticated = True
    zone.put("far.test", [("MX", (10, "mx.far.test"))])
    zone.put(f"_{attempts.port}._tcp.mx.far.test", [("TLSA", (1, 1, 1, b"\0" * 32))])
    assert attempts.to("zoe@far.test").outcomes[0].status == "deferred"
    assert outcomes(attempts) == [("tlsa", "starttls-not-supported")]
    sink.tls, _ = issued(tmp_path, ["another.test"], authority(tmp_path))
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"


def test_a_host_whose_records_cannot_be_had_is_passed_over(
    attempts: Attempts, sink: Sink, backup: Sink, zone: Zone
) -> None:
    zone.says_authenticated = True
    zone.put(f"_{attempts.port}._tcp.mx.far.test", [("SERVFAIL", None)])
    attempts.to("zoe@far.test")
    assert (sink.said, len(backup.taken)) == ([], 1)


@pytest.mark.parametrize(
    ("names", "days", "status", "result"),
    [
        (["mx.far.test"], 1, "relayed", ""),
        (["another.test"], 1, "deferred", "certificate-host-mismatch"),
        (["mx.far.test"], -1, "deferred", "certificate-expired"),
    ],
)
def test_a_policy_that_is_enforced_asks_for_a_proven_name(
    attempts: Attempts, sink: Sink, zone: Zone, tmp_path: Path, names: list[str], days: int, status: str, result: str
) -> None:
    its = authority(tmp_path)
    attempts.authorities = str(its[0])
    sink.tls, _ = issued(tmp_path, names, its, days=days)
    zone.put("far.test", [("MX", (10, "mx.far.test"))])
    zone.put("_mta-sts.far.test", [("TXT", "v=STSv1; id=one;")])
    attempts.policies.kept["far.test"] = KeptPolicy("one", POLICY, now_ms() + 10_000)
    assert attempts.to("zoe@far.test").outcomes[0].status == status
    assert outcomes(attempts) == [("sts", result)]


def test_a_policy_is_fetched_from_a_host_that_proves_its_name_and_kept(
    attempts: Attempts, sink: Sink, backup: Sink, zone: Zone, tmp_path: Path
) -> None:
    its = authority(tmp_path)
    attempts.authorities = str(its[0])
    sink.tls, _ = issued(tmp_path, ["mx.far.test"], its)
    backup.tls, _ = issued(tmp_path, ["mx2.far.test"], its)
    web, _ = issued(tmp_path, ["mta-sts.far.test"], its)
    zone.put("_mta-sts.far.test", [("TXT", "v=STSv1; id=one;")])
    zone.put("mta-sts.far.test", [("A", "127.0.0.4")])
    asked: list[bytes] = []
    with serving_policy(web, served(POLICY), asked) as attempts.sts_port:
        sink.replies["MAIL"] = "451 4.3.0 later"
        for _ in range(2):
            assert attempts.to("zoe@far.test").outcomes[0].status == "deferred"
    assert len(asked) == 1
    assert asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.far.test\r\n")
    assert backup.said == [], "it is no host of the policy"
    assert attempts.policies.kept["far.test"].text == POLICY
    zone.put("_mta-sts.far.test", [("SERVFAIL", None)])
    sink.replies.clear()
    sink.tls = None
    assert attempts.to("zoe@far.test").outcomes[0].status == "deferred", "it outlives a DNS that is silent"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "sts-policy-fetch-error"),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://x.test/\r\nContent-Length: 0\r\n\r\n", "sts-policy-fetch-error"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 200_000, "sts-policy-fetch-error"),
        (b"nonsense\r\n\r\n", "sts-policy-fetch-error"),
        (served("version: STSv1\nmode: maybe\nmax_age: 1\n"), "sts-policy-invalid"),
    ],
)
def test_a_policy_that_cannot_be_had_keeps_no_mail(
    attempts: Attempts, sink: Sink, zone: Zone, tmp_path: Path, answer: bytes, fault: str
) -> None:
    its = authority(tmp_path)
    attempts.authorities = str(its[0])
    web, _ = issued(tmp_path, ["mta-sts.far.test"], its)
    zone.put("_mta-sts.far.test", [("TXT", "v=STSv1; id=one;")])
    zone.put("mta-sts.far.test", [("A", "127.0.0.4")])
    with serving_policy(web, answer, []) as attempts.sts_port:
        assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"
    assert ("no-policy-found", fault) in outcomes(attempts)


def test_a_policy_in_testing_is_told_of_and_keeps_no_mail(
    attempts: Attempts, sink: Sink, zone: Zone, tmp_path: Path
) -> None:
    its = authority(tmp_path)
    attempts.authorities = str(its[0])
    sink.tls, _ = issued(tmp_path, ["another.test"], its)
    zone.put("_mta-sts.far.test", [("TXT", "v=STSv1; id=one;")])
    testing = POLICY.replace("enforce", "testing")
    attempts.policies.kept["far.test"] = KeptPolicy("one", testing, now_ms() + 10_000)
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"
    assert sink.taken[0].tls == "TLSv1.3"
    assert outcomes(attempts) == [("sts", "certificate-host-mismatch"), ("sts", "")]


def test_dane_comes_before_a_policy(attempts: Attempts, sink: Sink, zone: Zone, tmp_path: Path) -> None:
    sink.tls, certificate = issued(tmp_path, ["another.test"], authority(tmp_path))
    zone.says_authenticated = True
    zone.put("_mta-sts.far.test", [("TXT", "v=STSv1; id=one;")])
    zone.put(f"_{attempts.port}._tcp.mx.far.test", [("TLSA", (3, 1, 1, key_digest(certificate)))])
    attempts.policies.kept["far.test"] = KeptPolicy("one", POLICY, now_ms() + 10_000)
    attempts.to("zoe@far.test")
    assert outcomes(attempts) == [("tlsa", "")]


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"v=STSv1; id=abc;"], "abc"),
        ([b"v=STSv1;id=abc"], "abc"),
        ([b"v=spf1 -all", b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1; id=abc;", b"v=STSv1; id=def;"], None),
        ([b"v=STSv1; id=" + b"a" * 33], None),
        ([b"v=STSv1;"], None),
        ([], None),
    ],
)
def test_one_record_announces_a_policy(records: list[bytes], found: str | None) -> None:
    assert announced_id(records) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: STSv1\nmode: enforce\nmax_age: 1\n",
        "version: STSv2\nmode: none\nmax_age: 1\n",
        "version: STSv1\nmode: none\nmax_age: x\n",
        "version: STSv1\nmode: testing\nmx: a.test\nmax_age: 12345678901\n",
    ],
)
def test_what_is_no_policy_is_none(text: str) -> None:
    with pytest.raises(PolicyInvalidError):
        policy_of(text)


def test_a_policy_names_hosts_by_name_or_by_their_parent() -> None:
    policy = policy_of(POLICY)
    assert policy.names("MX.far.test")
    assert policy.names("a.spare.test")
    assert not policy.names("a.b.spare.test")
    assert not policy.names("spare.test")
