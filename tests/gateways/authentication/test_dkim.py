"""DKIM verification, held against the messages of its RFCs and against dkimpy."""

import asyncio
import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateways.authentication.dkim import DkimResult, verify
from infra.dns_resolver import DnsResolver
from infra.settings_readers import ListenAddress
from tests.dns_zone import HANG, SERVFAIL, Zone, serving
from tests.gateways.authentication.given_message import as_lines, evidence_of

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "auth" / "dkimpy" / "data"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
RSA_TEXT = base64.b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
ED25519_TEXT = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RECORDS = {
    "rsa._domainkey.elsewhere.test": f"v=DKIM1; k=rsa; p={RSA_TEXT}",
    # RFC 8463 appendix A.2
    "brisbane._domainkey.football.example.com": f"v=DKIM1; k=ed25519; p={ED25519_TEXT}",
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
        "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIK"
        "T+l/K4w3QIDAQAB"
    ),
}
SHORT_KEY = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALRiMLAh9iimur8VA7qVvdqxevEuUkW4K+2KdMXmnQbG9Aa7k7eBjK1S+0LYmVjPKlJGNXHDGuy5Fw/dCbXq"
    "PMsCAwEAAQ=="
)
MAIL = as_lines(
    b"From: Bob <bob@elsewhere.test>\nTo: ann@example.test\nSubject:  Folded\n\t subject\nX-Empty:\n"
    b"\nHow  are\t you? \n\n\n"
)
LINES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"  b", b"\r\n", b"\r\n\r\n", b"."]), max_size=12).map(
    lambda parts: b"".join([*parts, b"\r\n"])
)
"""Bodies that end as SMTP ends them; white space before an end without CRLF is read differently by dkimpy."""


@pytest.fixture(scope="module")
def server() -> Iterator[ListenAddress]:
    """A DNS that has the keys."""
    with serving(Zone({name: [("TXT", text)] for name, text in RECORDS.items()})) as address:
        yield address


def verified(server: ListenAddress, raw: bytes, *, cuts: Iterable[int] = ()) -> list[DkimResult]:
    return asyncio.run(verify(DnsResolver(server), evidence_of(raw, cuts=cuts)))


def verified_with(record: str, raw: bytes) -> DkimResult:
    """What the one signature of the message comes to where this is its key."""
    with serving(Zone({"rsa._domainkey.elsewhere.test": [("TXT", record)]})) as server:
        (found,) = verified(server, raw)
    return found


def signed(raw: bytes, *, form: tuple[bytes, bytes] = (b"relaxed", b"relaxed")) -> bytes:
    """The message with a signature that dkimpy made."""
    return bytes(dkim.sign(raw, b"rsa", b"elsewhere.test", PEM, canonicalize=form)) + raw


@pytest.mark.corpus
def test_the_message_of_rfc_8463_bears_two_signatures_that_fit(server: ListenAddress) -> None:
    raw = as_lines((CORPUS / "rfc6376.signed.msg").read_bytes())
    assert [(found.result, found.algorithm) for found in verified(server, raw)] == [
        ("pass", "ed25519-sha256"),
        ("pass", "rsa-sha256"),
    ]


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_what_dkimpy_signs_in_any_form_is_verified(server: ListenAddress, header: bytes, body: bytes) -> None:
    assert [found.result for found in verified(server, signed(MAIL, form=(header, body)))] == ["pass"]


@settings(max_examples=40, deadline=None)
@given(body=LINES, cuts=st.lists(st.integers(0, 500), max_size=6), form=st.sampled_from([b"simple", b"relaxed"]))
@example(body=b"", cuts=[], form=b"simple")
@example(body=b"", cuts=[], form=b"relaxed")
@example(body=b" \r\n\t\r\n", cuts=[], form=b"relaxed")
@example(body=b" \r\n\t\r\n", cuts=[], form=b"simple")
@example(body=b"a \r\n \r\n  b\r\n", cuts=list(range(480)), form=b"relaxed")
def test_any_body_in_any_pieces_is_verified_as_dkimpy_signed_it(
    server: ListenAddress, body: bytes, cuts: list[int], form: bytes
) -> None:
    raw = signed(b"From: bob@elsewhere.test\r\n\r\n" + body, form=(form, form))
    assert [found.result for found in verified(server, raw, cuts=[cut for cut in cuts if cut < len(raw)])] == ["pass"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"How", b"Who", "the body was altered"),
        (b"Subject:  Folded", b"Subject: Unfolded", "the signature does not fit"),
        (b"From: Bob", b"From: Eve", "the signature does not fit"),
    ],
)
def test_what_was_altered_on_the_way_fails(server: ListenAddress, before: bytes, after: bytes, reason: str) -> None:
    (found,) = verified(server, signed(MAIL).replace(before, after))
    assert (found.result, found.reason) == ("fail", reason)


def test_a_second_from_added_above_does_not_pass_for_the_signed_one(server: ListenAddress) -> None:
    raw = signed(MAIL).replace(b"From: Bob", b"From: Eve <eve@evil.test>\r\nFrom: Bob")
    assert [found.result for found in verified(server, raw)] == [
        "fail"
    ]  # dkimpy names From twice, so none can be added


@pytest.mark.parametrize(
    ("tag", "changed", "result"),
    [
        (b"v=1", b"v=2", "permerror"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "permerror"),
        (b"a=rsa-sha256", b"a=ed25519-sha256", "permerror"),
        (b"d=elsewhere.test", b"d=evil.test", "permerror"),
        (b"d=elsewhere.test", b"d=", "permerror"),
        (b"s=rsa", b"s=none", "permerror"),
        (b"q=dns/txt", b"q=http", "permerror"),
        (b"q=dns/txt", b"q=dns/txt; x=1", "permerror"),
        (b"q=dns/txt", b"q=dns/txt; q=dns/txt", "permerror"),
        (b"q=dns/txt", b"q=dns/txt; l=99999999", "fail"),
        (b"q=dns/txt", b"q=dns/txt; i=bob@other.test", "permerror"),
    ],
)
def test_a_signature_that_says_something_else_does_not_pass(
    server: ListenAddress, tag: bytes, changed: bytes, result: str
) -> None:
    raw = signed(MAIL)
    assert tag in raw
    assert [found.result for found in verified(server, raw.replace(tag, changed, 1))] == [result]


@pytest.mark.parametrize(
    "record",
    [
        "",
        "v=DKIM1; p=",
        "v=DKIM2; p=" + RSA_TEXT,
        "p=" + RSA_TEXT + "; v=DKIM1",
        "v=DKIM1; h=sha1; p=" + RSA_TEXT,
        "v=DKIM1; s=other; p=" + RSA_TEXT,
        "v=DKIM1; k=ed25519; p=" + ED25519_TEXT,
        "v=DKIM1; p=AAAA",
        "v=DKIM1; p=%%%",
        "not a record",
    ],
)
def test_a_key_that_may_not_be_used_is_a_permanent_error(server: ListenAddress, record: str) -> None:
    assert verified_with(record, signed(MAIL)).result == "permerror"


def test_a_key_too_short_is_a_permanent_error() -> None:
    found = verified_with(f"v=DKIM1; p={SHORT_KEY}", signed(MAIL))
    assert (found.result, found.reason) == ("permerror", "the key has 512 bits")


def test_a_body_longer_than_what_is_signed_does_not_pass_whole(server: ListenAddress) -> None:
    field = dkim.sign(MAIL, b"rsa", b"elsewhere.test", PEM, canonicalize=(b"relaxed", b"relaxed"), length=True)
    assert [found.result for found in verified(server, bytes(field) + MAIL)] == ["pass"]
    (found,) = verified(server, bytes(field) + MAIL + b"Buy now\r\n")
    assert (found.result, found.reason) == ("policy", "a part of the body is not signed")


@pytest.mark.parametrize("behaviour", [HANG, SERVFAIL])
def test_a_key_that_nobody_can_give_now_is_a_temporary_error(behaviour: str) -> None:
    zone = Zone({"rsa._domainkey.elsewhere.test": [(behaviour, None)]})
    with serving(zone) as server:
        (found,) = asyncio.run(verify(DnsResolver(server, tries_s=(0.1,)), evidence_of(signed(MAIL))))
    assert found.result == "temperror"


def test_a_forged_body_asks_nobody_for_a_key() -> None:
    zone = Zone()
    with serving(zone) as server:
        asyncio.run(verify(DnsResolver(server), evidence_of(signed(MAIL) + b"more")))
    assert zone.asked == []


def test_of_very_many_signatures_ten_are_looked_at(server: ListenAddress) -> None:
    field = signed(MAIL).partition(b"From:")[0]
    assert [found.result for found in verified(server, field * 30 + MAIL)] == ["pass"] * 10


def test_a_body_is_not_hashed_in_as_many_ways_as_a_stranger_can_think_of(server: ListenAddress) -> None:
    field = signed(MAIL).partition(b"From:")[0]
    lengths = [field.replace(b"q=dns/txt", b"q=dns/txt; l=%d" % length) for length in range(9)]
    assert [found.result for found in verified(server, b"".join(lengths) + MAIL)] == ["fail"] * 4 + ["permerror"] * 5


def test_a_header_too_long_to_be_kept_is_not_verified_and_its_first_fields_are_known() -> None:
    evidence = evidence_of(
        b"From: bob@elsewhere.test\r\nX: " + b"x" * 2**21 + b"\r\n\r\nbody", cuts=range(0, 2**21, 32768)
    )
    assert evidence.header.values(b"from") == [b" bob@elsewhere.test"]
    assert not evidence.header.is_whole


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_whatever_a_signature_field_holds_is_read_or_refused(value: bytes) -> None:
    raw = b"DKIM-Signature: " + value.replace(b"\r", b"").replace(b"\n", b"\r\n ") + b"\r\nFrom: a@b.test\r\n\r\n"
    assert len(evidence_of(raw).signatures) <= 1
