"""Sealing what is forwarded, held against our own validation and dkimpy's."""

import asyncio
from collections.abc import Iterator

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.authentication.arc import ArcResult, validate
from gateways.authentication.dkim_keys import ACTIVE, new_keys
from gateways.authentication.sealing import arc_set
from gateways.authentication.signing import signatures
from infra.dns_resolver import DnsResolver
from infra.settings_readers import ListenAddress
from tests.dns_zone import Zone, serving
from tests.gateways.authentication.given_message import as_lines, evidence_of

FIRST, SECOND = (new_keys(domain, label="k1", state=ACTIVE)[0] for domain in ("list.test", "ours.test"))
RECORDS = {key.name: key.record for key in (FIRST, SECOND)}
MAIL = as_lines(
    b"From: Bob <bob@elsewhere.test>\nTo: ann@example.test\nSubject:  Folded\n\t subject\n\nHow  are you? \n\n"
)
LINES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"  b", b"\r\n", b"."]), max_size=10).map(b"".join)


@pytest.fixture(scope="module")
def server() -> Iterator[ListenAddress]:
    """A DNS that has the keys."""
    with serving(Zone({name: [("TXT", text)] for name, text in RECORDS.items()})) as address:
        yield address


def ours(server: ListenAddress, raw: bytes) -> ArcResult:
    return asyncio.run(validate(DnsResolver(server), evidence_of(raw)))


def dkimpys(raw: bytes) -> bytes:
    found, _results, _why = dkim.arc_verify(
        raw, dnsfunc=lambda name, timeout=5: RECORDS[name.decode().rstrip(".")].encode()
    )
    return bytes(found)


def sealed(raw: bytes, key: object = FIRST, *, chain: str = "none") -> bytes:
    found = arc_set(
        raw,
        key,  # type: ignore[arg-type]
        hostname="mx.ours.test",
        chain=chain,
        results=("spf=pass smtp.mailfrom=elsewhere.test", "dmarc=pass header.from=elsewhere.test"),
        signed_at_s=1_790_000_000,
    )
    return found + raw


@settings(max_examples=20, deadline=None)
@given(body=LINES, value=LINES)
def test_whatever_is_sealed_passes_here_and_with_dkimpy(server: ListenAddress, body: bytes, value: bytes) -> None:
    folded = value.replace(b"\r\n", b"\r\n ")
    raw = sealed(b"From: bob@elsewhere.test\r\nSubject: " + folded + b"\r\n\r\n" + body + b"\r\n")
    assert ours(server, raw).result == "pass"
    assert dkimpys(raw) == b"pass"


def test_a_chain_that_passes_is_gone_on_with(server: ListenAddress) -> None:
    signed = signatures(MAIL, [FIRST], signed_at_s=1_790_000_000) + MAIL
    raw = sealed(b"Received: from a by b\r\n" + sealed(signed), SECOND, chain="pass")
    found = ours(server, raw)
    assert (found.result, found.sealers) == ("pass", ("list.test", "ours.test"))
    assert dkimpys(raw) == b"pass"
    assert found.sets[1].results.count("dmarc=pass") == 1


@pytest.mark.parametrize("chain", ["fail", "none", "temperror"])
def test_a_chain_that_does_not_pass_is_not_sealed(chain: str) -> None:
    raw = sealed(MAIL)
    assert sealed(raw, SECOND, chain=chain) == raw


def test_a_chain_of_which_sets_are_missing_is_not_sealed() -> None:
    raw = sealed(MAIL).partition(b"\r\nARC-Message")[0] + b"\r\n" + MAIL
    assert sealed(raw, SECOND, chain="pass") == raw


def test_what_is_changed_after_sealing_fails(server: ListenAddress) -> None:
    raw = sealed(MAIL)
    assert ours(server, raw.replace(b"How", b"Now")).result == "fail"
    assert ours(server, raw.replace(b"dmarc=pass", b"dmarc=none")).result == "fail"


def test_no_line_of_a_set_is_long() -> None:
    assert max(map(len, sealed(MAIL).split(b"\r\n"))) < 100
