"""All checks of a message together: what is recorded of it and what is done about it, with a real DNS on loopback."""

import asyncio
import base64
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.authentication.overrides import Trust
from gateways.authentication.verdict import Authenticator
from gateways.screening import Arrival, Screening
from infra.dns_resolver import DnsResolver
from infra.settings_readers import ListenAddress
from tests.dns_zone import HANG, Records, Zone, serving
from tests.gateways.authentication.given_message import as_lines, evidence_of

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
MAIL = as_lines(b"From: Your Bank <info@bank.test>\nTo: ann@example.test\nSubject: hi\n\nHow are you?\n")
ZONE: dict[str, Records] = {
    "bank.test": [("TXT", "v=spf1 ip4:192.0.2.1 -all"), ("A", "192.0.2.1")],
    "_dmarc.bank.test": [("TXT", "v=DMARC1; p=reject")],
    "_dmarc.shop.test": [("TXT", "v=DMARC1; p=quarantine")],
    "list.test": [("TXT", "v=spf1 ip4:192.0.2.9 -all")],
    **{f"k._domainkey.{domain}": [("TXT", f"v=DKIM1; p={PUBLIC}")] for domain in ("bank.test", "forwarder.test")},
}
NOBODY = ListenAddress("127.0.0.1", 9)
PATIENCE_S = 3.0
"""With a DNS that answers, be the machine ever so busy, and with one that never does."""
CHAIN = b"forwarder.test; arc=none; spf=pass smtp.mailfrom=bank.test; dmarc=pass header.from=bank.test"


def screened(
    raw: bytes, *, peer: str = "192.0.2.1", sender: str = "info@bank.test", trust: Trust | None = None, **names: Any
) -> Screening:
    """What is found of a message that this peer brings in this name."""
    with serving(Zone({**ZONE, **names})) as server:
        authenticator = Authenticator(DnsResolver(server, tries_s=(PATIENCE_S,)), trust or Trust())
        arrival = Arrival(peer, "mx.elsewhere.test", sender, "mx.example.test")
        return asyncio.run(authenticator.screen(arrival, evidence_of(raw)))


def signed(raw: bytes) -> bytes:
    return bytes(dkim.sign(raw, b"k", b"bank.test", PEM, canonicalize=(b"relaxed", b"relaxed"))) + raw


def sealed(raw: bytes, results: bytes = CHAIN) -> bytes:
    """The message as a forwarder passes it on, with a chain that dkimpy made."""
    raw = b"Authentication-Results: " + results + b"\r\n" + raw
    sealing = dkim.arc_sign(raw, b"k", b"forwarder.test", PEM, b"forwarder.test", timestamp=1)
    return b"".join(sealing) + raw


def test_mail_that_is_proven_twice_is_accepted_and_all_that_was_found_is_recorded() -> None:
    found = screened(signed(MAIL))
    assert (found.spf, found.dkim, found.dmarc, found.arc) == ("pass", "pass", "pass", "none")
    spf, helo, dkim_part, arc, dmarc = found.results
    assert spf == "spf=pass smtp.mailfrom=info@bank.test"
    assert helo == "spf=none smtp.helo=mx.elsewhere.test"
    assert dkim_part.startswith(
        "dkim=pass header.d=bank.test header.i=@bank.test header.s=k header.a=rsa-sha256 header.b="
    )
    assert (arc, dmarc) == ("arc=none", "dmarc=pass header.from=bank.test")
    assert (found.is_refused, found.is_spam, found.policy) == (False, False, "")


def test_mail_that_a_domain_wants_refused_is_refused() -> None:
    found = screened(MAIL, peer="203.0.113.5")
    assert (found.spf, found.dkim, found.dmarc, found.policy) == ("fail", "none", "fail", "reject")
    assert found.is_refused
    assert found.results[-1] == "dmarc=fail header.from=bank.test policy.dmarc=reject"


def test_mail_that_a_domain_wants_set_apart_goes_into_spam() -> None:
    found = screened(MAIL.replace(b"bank.test", b"shop.test"))
    assert (found.dmarc, found.is_spam, found.is_refused) == ("fail", True, False)


def test_mail_of_a_domain_that_asks_for_nothing_is_accepted() -> None:
    found = screened(MAIL.replace(b"bank.test", b"other.test"), sender="x@nowhere.test")
    assert (found.spf, found.dmarc, found.disposition) == ("none", "none", "")


def test_what_a_trusted_forwarder_sealed_is_not_held_to_the_policy() -> None:
    trust = Trust(sealers=frozenset({"forwarder.test"}))
    found = screened(sealed(MAIL), peer="203.0.113.5", trust=trust)
    assert (found.arc, found.dmarc, found.override, found.disposition) == ("pass", "fail", "trusted_forwarder", "")
    assert found.policy == "reject"
    assert 'reason="overridden: trusted_forwarder"' in found.results[-1]


@pytest.mark.parametrize(
    ("raw", "trust"),
    [
        (sealed(MAIL), Trust(sealers=frozenset({"other.test"}))),
        (sealed(MAIL).replace(b"How", b"Who"), Trust(sealers=frozenset({"forwarder.test"}))),
        (sealed(MAIL, CHAIN.replace(b"dmarc=pass", b"dmarc=fail")), Trust(sealers=frozenset({"forwarder.test"}))),
        (
            sealed(MAIL, CHAIN.replace(b"from=bank.test", b"from=evil.test")),
            Trust(sealers=frozenset({"forwarder.test"})),
        ),
    ],
    ids=["a sealer not trusted", "altered after the seal", "not proven at the first host", "another author"],
)
def test_a_chain_that_proves_nothing_overrides_nothing(raw: bytes, trust: Trust) -> None:
    assert screened(raw, peer="203.0.113.5", trust=trust).is_refused


def test_what_a_known_list_sends_is_not_held_to_its_authors_policies() -> None:
    trust = Trust(lists=frozenset({"list.test"}))
    found = screened(MAIL, peer="192.0.2.9", sender="bounce@list.test", trust=trust)
    assert (found.override, found.disposition) == ("mailing_list", "")
    assert screened(MAIL, peer="203.0.113.5", sender="bounce@list.test", trust=trust).is_refused


@pytest.mark.parametrize(
    "header",
    [
        b"From: x@other.test, info@bank.test\r\n",
        b"From: x@other.test\r\nFrom: info@bank.test\r\n",
        b"From: group: info@bank.test;\r\n",
        b"From: =?utf-8?q?x=40other.test?= <info@BANK.test.>\r\n",
        b"From : info@bank.test\r\n",
    ],
)
def test_of_several_authors_the_one_in_most_doubt_counts(header: bytes) -> None:
    assert screened(header + b"\r\nhi\r\n", peer="203.0.113.5").is_refused


def test_mail_that_names_no_author_is_a_permanent_error_and_accepted() -> None:
    found = screened(b"Subject: hi\r\n\r\nhi\r\n")
    assert (found.dmarc, found.disposition) == ("permerror", "")


def test_a_sender_whose_own_dns_hangs_cannot_put_off_the_policy_of_another_domain() -> None:
    found = screened(MAIL, peer="203.0.113.5", sender="x@hangs.test", **{"hangs.test": [(HANG, None)]})
    assert (found.spf, found.dmarc) == ("temperror", "fail")
    assert found.is_refused


def test_a_dns_that_does_not_answer_is_a_result_and_the_mail_is_accepted() -> None:
    silent = {
        name: [(HANG, None)] for name in ("bank.test", "_dmarc.bank.test", "_dmarc.test", "k._domainkey.bank.test")
    }
    found = screened(signed(MAIL), **silent)
    assert (found.spf, found.dkim, found.dmarc, found.disposition) == ("temperror", "temperror", "temperror", "")


def test_a_notification_is_checked_by_its_ehlo_name() -> None:
    found = screened(MAIL, sender="", **{"mx.elsewhere.test": [("TXT", "v=spf1 +all")]})
    assert found.results[0] == "spf=pass smtp.helo=mx.elsewhere.test"


def test_what_spf_says_of_the_ehlo_name_is_recorded_and_decides_nothing() -> None:
    record: dict[str, Any] = {"mx.elsewhere.test": [("TXT", "v=spf1 -all")]}
    found = screened(signed(MAIL), **record)
    assert found.results[1].startswith("spf=fail ")
    assert found.results[1].endswith(" smtp.helo=mx.elsewhere.test")
    assert (found.spf, found.spf_domain, found.disposition) == ("pass", "bank.test", "")


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "192.0.2.1", "laptop", ""])
def test_an_ehlo_that_is_no_name_of_a_host_is_not_asked_about(helo: str) -> None:
    with serving(Zone(ZONE)) as server:
        authenticator = Authenticator(DnsResolver(server, tries_s=(PATIENCE_S,)), Trust())
        arrival = Arrival("192.0.2.1", helo, "info@bank.test", "mx.example.test")
        found = asyncio.run(authenticator.screen(arrival, evidence_of(MAIL)))
    assert [part.partition(" ")[0] for part in found.results] == ["spf=pass", "dkim=none", "arc=none", "dmarc=pass"]


def test_what_a_stranger_wrote_can_end_neither_its_part_nor_the_line() -> None:
    found = screened(MAIL, sender='"x; dmarc=pass\r\n"@bank.test')
    assert (
        found.results[0].startswith('spf=fail reason="by all" smtp.mailfrom="\\"x; dmarc=pass') or found.spf == "pass"
    )
    assert all("\r" not in part and "\n" not in part for part in found.results)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"DKIM-Signature: ", b"ARC-Seal: ", b"From: ", b"ARC-Message-Signature: i=1;", b""]),
)
def test_whatever_a_message_holds_it_is_screened(octets: bytes, name: bytes) -> None:
    raw = name + octets.replace(b"\r", b"").replace(b"\n", b"\r\n")
    authenticator = Authenticator(DnsResolver(NOBODY, tries_s=(0.01,)), Trust())
    found = asyncio.run(authenticator.screen(Arrival("192.0.2.1", "x", "a@b.test", "mx"), evidence_of(raw)))
    assert found.spf == "temperror"
