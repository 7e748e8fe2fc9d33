"""Addresses: grammar, lengths, and which of them are one mailbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import BARE_POSTMASTER, AddressInvalidError, EmailAddress


@pytest.mark.parametrize(
    ("text", "spelled"),
    [  # RFC 5321 section 4.1.2
        ("ann@example.org", "ann@example.org"),
        ("Ann.Lee+x@Example.ORG", "Ann.Lee+x@example.org"),
        ("a!#$%&'*+/=?^_`{|}~-b@x", "a!#$%&'*+/=?^_`{|}~-b@x"),
        ('"ann"@x.example', "ann@x.example"),
        ('"a\\nn"@x.example', "ann@x.example"),
        ('"ann lee"@x.example', '"ann lee"@x.example'),
        ('"a\\"b\\\\c"@x.example', '"a\\"b\\\\c"@x.example'),
        ('"a@b"@x.example', '"a@b"@x.example'),
        ('""@x.example', '""@x.example'),
        # RFC 6531 section 3.3, RFC 5890 section 2.3.2.1
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ("用户@例子.测试", "用户@xn--fsqu00a.xn--0zwm56d"),
        # RFC 5321 section 4.5.3.1
        ("a" * 64 + "@x.example", "a" * 64 + "@x.example"),
    ],
)
def test_a_valid_address_is_spelled_with_no_more_quoting_than_needed(text, spelled):
    assert str(EmailAddress.parse(text)) == spelled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@[192.0.2.1]",
        "ann@[IPv6:2001:db8::1]",
        ".ann@example.org",
        "ann.@example.org",
        "a..b@example.org",
        "ann lee@example.org",
        "<ann@example.org>",
        "ann@example.org\n",
        "ann\r\n@example.org",
        "a\x00b@example.org",
        "a\x85b@example.org",
        "a\u2028b@example.org",
        "\ud800@example.org",
        '"ann@example.org',
        '"a"b@example.org',
        '"a\\é"@example.org',
        "ann@-example.org",
        "ann@example-.org",
        "ann@exa_mple.org",
        "ann@example..org",
        "ann@example.org.",
        "ann@" + "a" * 64 + ".org",
        "a" * 65 + "@example.org",
        "é" * 33 + "@example.org",
        "ann@" + "a.b" * 90,
        "ann@" + ".".join(["a" * 62] * 4),
        "ann@" + "ü" * 64 + ".org",
        "ann@\ud800.org",
        "ann@" + "ü" * 100_000,
    ],
)
def test_an_invalid_address_is_refused(text):
    with pytest.raises(AddressInvalidError):
        EmailAddress.parse(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@example.org", "ANN@EXAMPLE.ORG"),
        ("ann@example.org", "ann+lists@example.org"),
        ("ann@example.org", "Ann+a+b@example.org"),
        ("ann@example.org", '"ann"@example.org'),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jürgen@x.example", "JU\u0308RGEN@x.example"),
        ("straße@x.example", "STRASSE@x.example"),
    ],
)
def test_addresses_of_one_mailbox_have_one_canonical_form(one, other):
    assert EmailAddress.parse(one).canonical == EmailAddress.parse(other).canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@example.org", "an.n@example.org"),
        ("ann@example.org", "ann@sub.example.org"),
        ("ann@example.org", "+ann@example.org"),
        ('"ann "@example.org', "ann@example.org"),
    ],
)
def test_addresses_of_two_mailboxes_have_two_canonical_forms(one, other):
    assert EmailAddress.parse(one).canonical != EmailAddress.parse(other).canonical


@pytest.mark.parametrize(
    ("text", "tag"),
    [("ann@x", None), ("ann+a@x", "a"), ("ann+a+b@x", "a+b"), ("ann+@x", ""), ("+a@x", None), ("+a+b@x", None)],
)
def test_the_tag_is_what_follows_the_first_plus(text, tag):
    assert EmailAddress.parse(text).tag == tag


@pytest.mark.parametrize("localpart", ["postmaster", "Abuse", "MAILER-DAEMON", "noreply", "root+x", "admin", '"root"'])
def test_role_names_are_reserved_however_they_are_spelled(localpart):
    assert EmailAddress.parse(f"{localpart}@example.org").is_reserved


def test_ordinary_names_are_not_reserved():
    assert not EmailAddress.parse("ann@example.org").is_reserved
    assert not EmailAddress.parse("postmasters@example.org").is_reserved


def test_the_bare_postmaster_has_no_domain():
    assert str(BARE_POSTMASTER) == "postmaster"
    assert BARE_POSTMASTER.is_reserved


def test_only_the_localpart_decides_whether_smtputf8_is_needed():
    assert EmailAddress.parse("ann@bücher.example").is_ascii
    assert not EmailAddress.parse("jürgen@x.example").is_ascii


@given(st.text(max_size=300) | st.from_regex(r'("[^@]{0,20}"|[a-zé+."\\ ]{1,20})@[a-zü.-]{1,30}', fullmatch=True))
def test_any_text_is_an_address_or_is_refused_and_what_is_spelled_parses_to_the_same(text):
    try:
        address = EmailAddress.parse(text)
    except AddressInvalidError:
        return
    assert EmailAddress.parse(str(address)) == address
    assert EmailAddress.parse(address.canonical).canonical == address.canonical
