"""DKIM signing, held against our own verification and dkimpy's."""

import asyncio
from collections.abc import Iterator

import dkim
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateways.authentication.dkim import verify
from gateways.authentication.dkim_keys import ACTIVE, new_keys
from gateways.authentication.signing import signatures
from infra.dns_resolver import DnsResolver
from infra.settings_readers import ListenAddress
from tests.dns_zone import Zone, serving
from tests.gateways.authentication.given_message import as_lines, evidence_of

KEYS = new_keys("elsewhere.test", label="k1", state=ACTIVE)
RECORDS = {key.name: key.record for key in KEYS}
MAIL = as_lines(
    b"From: Bob <bob@elsewhere.test>\nTo: ann@example.test\nSubject:  Folded\n\t subject\nX-Odd: y\n"
    b"\nHow  are you? \n\n"
)
LINES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"  b", b"\r\n", b"."]), max_size=10).map(b"".join)


@pytest.fixture(scope="module")
def server() -> Iterator[ListenAddress]:
    """A DNS that has the keys."""
    with serving(Zone({name: [("TXT", text)] for name, text in RECORDS.items()})) as address:
        yield address


def results(server: ListenAddress, raw: bytes) -> list[tuple[str, str]]:
    found = asyncio.run(verify(DnsResolver(server), evidence_of(raw)))
    return [(one.algorithm, one.result) for one in found]


def signed(raw: bytes) -> bytes:
    return signatures(raw, KEYS, signed_at_s=1_790_000_000) + raw


@settings(max_examples=30, deadline=None)
@given(body=LINES, value=LINES)
@example(body=b"", value=b"")
def test_whatever_is_signed_is_verified_here_and_by_dkimpy(server: ListenAddress, body: bytes, value: bytes) -> None:
    folded = value.replace(b"\r\n", b"\r\n ")
    raw = signed(b"From: bob@elsewhere.test\r\nSubject: " + folded + b"\r\n\r\n" + body + b"\r\n")
    assert results(server, raw) == [("rsa-sha256", "pass"), ("ed25519-sha256", "pass")]
    assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: RECORDS[name.decode().rstrip(".")].encode())


@pytest.mark.parametrize(
    "added", [b"From: eve@evil.test\r\n", b"Subject: Buy\r\n", b"To: all@example.test\r\n", b"Cc: x@y.test\r\n"]
)
def test_no_field_that_matters_can_be_added_to_a_signed_message(server: ListenAddress, added: bytes) -> None:
    assert {result for _, result in results(server, added + signed(MAIL))} == {"fail"}


def test_a_field_that_does_not_matter_can_be_added(server: ListenAddress) -> None:
    assert {result for _, result in results(server, b"X-Passed: y\r\n" + signed(MAIL))} == {"pass"}


def test_no_line_of_a_signature_is_long() -> None:
    assert max(map(len, signatures(MAIL, KEYS, signed_at_s=1).split(b"\r\n"))) <= 78


@pytest.mark.parametrize("raw", [b"Subject: hi\r\n\r\nhi\r\n", b"\r\nhi\r\n", b""])
def test_a_message_without_from_is_not_signed(raw: bytes) -> None:
    with pytest.raises(ValueError, match="From"):
        signatures(raw, KEYS, signed_at_s=1)
