"""The trace block in front of a message, and forged results cut out of it."""

import pytest

from gateways.mime.header_fields import fields_of
from gateways.mime.trace import count_received, cut_forged_results, delivered_to, trace_block


def block(**fields) -> bytes:
    usual = {
        "return_path": "ann@far.test",
        "delivered_to": "bob@example.test",
        "helo": "mx.far.test",
        "client": "192.0.2.1",
        "hostname": "mail.example.test",
        "protocol": "ESMTPS",
        "acceptance_id": "m0123",
        "received_at_ms": 1795325160000,
    }
    return trace_block(**{**usual, **fields})


def test_the_block_says_how_one_copy_came_here():
    results = ("spf=pass smtp.mailfrom=far.test", "dkim=none")
    assert block(tls="TLSv1.3 TLS_AES_256_GCM_SHA384", authentication_results=results) == (
        b"Return-Path: <ann@far.test>\r\n"
        b"Delivered-To: bob@example.test\r\n"
        b"Received: from mx.far.test ([192.0.2.1])\r\n"
        b"\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby mail.example.test with ESMTPS id m0123\r\n"
        b"\tfor <bob@example.test>; Sun, 22 Nov 2026 05:26:00 -0000\r\n"
        b"Authentication-Results: mail.example.test;\r\n"
        b"\tspf=pass smtp.mailfrom=far.test;\r\n"
        b"\tdkim=none\r\n"
    )


def test_a_null_reverse_path_and_an_ipv6_client_are_written_as_the_rfc_says():
    text = block(return_path="", client="2001:db8::1")
    assert text.startswith(b"Return-Path: <>\r\n")
    assert b"([IPv6:2001:db8::1])" in text


@pytest.mark.parametrize("evil", ["x\r\nBcc: y", "x) (y", "x\ny", "x\x00y", "x\ty"])
@pytest.mark.parametrize("field", ["helo", "return_path", "delivered_to", "client", "tls", "authentication_results"])
def test_a_stranger_cannot_write_fields_of_his_own(field, evil):
    text = block(**{field: [evil] if field == "authentication_results" else evil})
    names = set(fields_of(text + b"\r\n", 0, len(text)))
    assert names <= {b"return-path", b"delivered-to", b"received", b"authentication-results"}
    assert b"\x00" not in text


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="RFC 3848"):
        block(protocol="HTTP")


@pytest.mark.parametrize(
    "forged",
    [
        b"Authentication-Results: mail.example.test; spf=pass\r\n",
        b"authentication-results :\r\n MAIL.example.test. 1;\r\n\tspf=pass\r\n",
        b"Authentication-Results: (a (comment)) mail.example.test (x);spf=pass\r\n",
        b'Authentication-Results: "mail.example.test"; spf=pass\r\n',
        b"Authentication-Results: mail.example.test\r\n",
    ],
)
def test_results_forged_in_our_name_are_cut_out_and_nothing_else(forged):
    before, after = b"Subject:  x\r\nX-Odd : y\r\n", b"To: a\r\n\r\nAuthentication-Results: mail.example.test; body\r\n"
    assert cut_forged_results(before + forged + after, "mail.example.test") == before + after


@pytest.mark.parametrize(
    "kept",
    [
        b"Authentication-Results: mail.example.test.evil.test; spf=pass\r\n",
        b"Authentication-Results: other.test; x=mail.example.test\r\n",
        b"ARC-Authentication-Results: i=1; mail.example.test; spf=pass\r\n",
    ],
)
def test_results_of_others_stay(kept):
    raw = kept + b"\r\nbody"
    assert cut_forged_results(raw, "mail.example.test") == raw


def test_hops_and_earlier_deliveries_are_counted():
    raw = b"Received: a\r\nRECEIVED: b\r\n\tc\r\nDelivered-To: <Bob@Example.test>\r\n\r\nReceived: d\r\n"
    assert count_received(raw) == 2
    assert delivered_to(raw) == {"bob@example.test"}
