"""What a person gets to see of a message, and what never reaches a page."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.mime.html_shape import is_parsable
from gateways.mime.parse import parse
from gateways.mime.sanitise import sanitise
from gateways.mime.show import AttachmentUnknownError, attachment_bytes, body, headers

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus"


def clean(html: str, *, remote: bool = False) -> str:
    safe = sanitise(html, remote=remote, cid_url=lambda cid: f"/parts/{cid}" if cid == "known" else None)
    assert safe is not None
    return safe.html


class Findings(HTMLParser):
    """Collects from sanitised HTML whatever could run, send or load."""

    def __init__(self, html: str, *, remote: bool = False) -> None:
        super().__init__()
        self.remote = remote
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag in {
            "script",
            "style",
            "form",
            "input",
            "iframe",
            "object",
            "embed",
            "svg",
            "math",
            "base",
            "link",
            "meta",
        }:
            self.found.append(tag)
        for name, value in attrs:
            self.attribute(tag, name, value or "")

    def attribute(self, tag, name, value):
        plain = re.sub(r"[\x00-\x20]", "", value).lower()
        if name.startswith("on") or name in {"srcset", "poster", "action", "formaction", "id", "name", "xlink:href"}:
            self.found.append(f"{tag} {name}")
        if name == "href" and not plain.startswith(("http:", "https:", "mailto:")):
            self.found.append(f"href {value}")
        allowed = ("/parts/", "data:image/") + (("http://", "https://") if self.remote else ())
        if name in {"src", "background"} and not plain.startswith(allowed):
            self.found.append(f"{name} {value}")
        if name == "style" and re.search(r"expression|javascript|@import|behavior|position|binding", plain):
            self.found.append(f"style {value}")
        if name == "style" and not self.remote and re.search(r"url\((?!\"(?:/parts/|data:image))", plain):
            self.found.append(f"style {value}")


def findings(html: str, *, remote: bool = False) -> list[str]:
    return Findings(clean(html, remote=remote), remote=remote).found


@pytest.mark.corpus
@pytest.mark.parametrize("remote", [False, True])
def test_no_payload_of_a_cross_site_scripting_collection_gets_through(remote):
    payloads = json.loads((CORPUS / "html" / "dompurify" / "payloads.json").read_text())
    assert len(payloads) > 100
    assert {entry["payload"]: findings(entry["payload"], remote=remote) for entry in payloads} == {
        entry["payload"]: [] for entry in payloads
    }


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<a href='data:text/html,x'>x</a>",
        "<a href='//evil.test'>x</a><a href='/v1/account'>x</a>",
        "<img src='http://evil.test/x.png'>",
        "<img src='HtTp:\n//evil.test/x.png'>",
        "<img srcset='http://evil.test/x.png 2x' src='//evil.test/x'>",
        "<img src='data:image/svg+xml;base64,AAAA'>",
        "<table background='http://evil.test/x'><td background='http://evil.test/x'>",
        "<p style=\"background:url('http://evil.test/x')\">",
        "<p style='background:u\\72l(http://evil.test/x)'>",
        "<p style='background:image-set(\"http://evil.test/x\" 1x)'>",
        "<p style='list-style:url(http://evil.test/x)'>",
        "<p style='width:expression(alert(1));position:fixed;behavior:url(x)'>",
        "<style>@import 'http://evil.test/x'; p{background:url(http://evil.test/y)}</style>",
        "<link rel=stylesheet href=http://evil.test/x><base href=http://evil.test/>",
        "<meta http-equiv=refresh content='0;url=http://evil.test/'>",
        "<video poster=http://evil.test/x src=http://evil.test/y></video>",
        "<svg><image href=http://evil.test/x /><script>1</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<form action=http://evil.test><input name=x><button formaction=http://evil.test>",
        "<iframe src=http://evil.test></iframe><object data=http://evil.test></object>",
        "<!--[if gte mso 9]><script>alert(1)</script><![endif]-->",
    ],
)
def test_nothing_runs_is_sent_or_is_loaded(html):
    assert findings(html) == []
    assert "evil.test" not in clean(html)


def test_a_picture_from_elsewhere_loads_only_with_consent():
    html = '<img src="https://pics.test/a.png" alt="A">'
    blocked = sanitise(html, remote=False, cid_url=lambda _: None)
    allowed = sanitise(html, remote=True, cid_url=lambda _: None)
    assert blocked is not None
    assert allowed is not None
    assert (blocked.blocked_remote, allowed.blocked_remote) == (True, False)
    assert "pics.test" not in blocked.html
    assert 'src="https://pics.test/a.png"' in allowed.html


def test_a_picture_of_the_message_itself_is_shown_from_its_own_address():
    assert clean('<img src="cid:known">') == '<img src="/parts/known">'
    assert clean('<img src="cid:strange">') == "<img>"


def test_links_open_apart_and_say_nothing_of_the_page():
    html = clean('<a href="https://ok.test/?a=1&amp;b=2" target="_top" rel="opener">x</a>')
    assert html == '<a href="https://ok.test/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">x</a>'


def test_harmless_style_stays():
    html = clean('<p style="color:red; FONT-SIZE: 12px; position:absolute; background-color: rgb(1, 2, 3)">x</p>')
    assert html == '<p style="color: red; font-size: 12px; background-color: rgb(1, 2, 3)">x</p>'


DEEP = {
    "divs": "<div>" * 50_000,
    "spans past the end of their parents": "<span><div></span></div>" * 20_000,
    "cells past the end of their parents": "<div><table><td></div></td></table>" * 20_000,
    "formatting past the end of cells": "<b><table><td></b></table>" * 20_000,
    "formatting past the end of its parents": "".join(f"<div><font size={n}></div>" for n in range(5_000)) + "x",
    "cells in a picture": "<svg>" + "<td>" * 50_000,
    "links": "<a><b>" * 30_000,
    "lists": "<ul><li>" * 20_000,
    "lists ended from outside": "<ul></li><li>x" * 20_000,
    "pages in a formula": "<math><caption>" + "<html>x" * 20_000,
    "items ended by ruby text": "<ruby>" + "<rt><span><li>x" * 20_000,
    "items of two kinds of list": "<li><dd>" * 20_000,
    "pictures ended from inside": "<svg><title><ruby></svg>" * 20_000,
    "bodies ended and begun again": "<ul><caption></body><body><mi>" * 20_000,
}


@pytest.mark.parametrize("name", DEEP)
def test_html_too_deep_for_a_parser_is_refused_at_once(name):
    started = time.process_time()
    assert not is_parsable(DEEP[name])
    assert time.process_time() - started < 1


WIDE = {
    "paragraphs": "<p>x" * 90_000,
    "rows": "<table>" + "<tr><td>x" * 40_000,
    "items": "<ul>" + "<li>x" * 90_000,
    "styles": '<p style="color:rgb(1,2,3)">x</p>' * 40_000,
    "attributes": "<a " + "x=y " * 300_000 + ">",
    "formatting before paragraphs": "".join(f"<font size={n}>" for n in range(390)) + "<p>x" * 4_000,
    "angles": "<" * 1_000_000,
}


@pytest.mark.parametrize("name", WIDE)
def test_large_html_is_sanitised_in_bounded_time(name):
    started = time.process_time()
    sanitise(WIDE[name], remote=False, cid_url=lambda _: None)
    assert time.process_time() - started < 2.5


PIECES = [
    "<",
    ">",
    '"',
    "'",
    "<img src=",
    "<a href=",
    "javascript:alert(1)",
    "<svg>",
    "<style>",
    "<!--",
    "-->",
    "<p style='",
]
PIECES += [
    "url(",
    "http://evil.test",
    "\\",
    "/*",
    "<math>",
    "</p>",
    "<table>",
    "<td background=",
    "&#106;",
    "\x00",
    ")",
    " ",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_no_mixture_of_pieces_gets_through(html):
    assert findings(html) == []


MESSAGE = (
    b"Subject: =?utf-8?q?Caf=C3=A9?=\r\nX-Folded: a\r\n b\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    b'--b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p><img src="cid:pic@x"><img src="http://far.test/x">\r\n'
    b"--b\r\nContent-Type: image/png; name=p.png\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"aGVsbG8=\r\n--b--\r\n"
)


def test_headers_are_shown_decoded_and_in_their_order():
    assert headers(MESSAGE)[:2] == [("Subject", "Café"), ("X-Folded", "a b")]


def test_a_body_is_shown_as_text_and_as_safe_html():
    shown = body(MESSAGE, parse(MESSAGE), cid_url=lambda attachment: f"/files/{attachment.id}")
    assert shown.text == "Hi"
    assert shown.html is not None
    assert '<img src="/files/a2">' in shown.html
    assert shown.blocked_remote
    assert "far.test" not in shown.html


def test_html_that_is_too_deep_leaves_the_message_to_its_text():
    raw = b"Content-Type: text/html\r\n\r\n" + b"<div>" * 50_000 + b"still readable"
    shown = body(raw, parse(raw), cid_url=lambda attachment: attachment.id)
    assert (shown.text, shown.html) == ("still readable", None)


def test_plain_text_beside_html_is_escaped():
    html = b"Content-Type: text/html\r\n\r\nx"
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1 <b> 2\r\n--b\r\n" + html + b"\r\n--b--"
    shown = body(raw, parse(raw), cid_url=lambda attachment: attachment.id)
    assert shown.html is not None
    assert "1 &lt;b&gt; 2" in shown.html


def test_an_attachment_is_handed_out_decoded():
    attachment, content = attachment_bytes(MESSAGE, parse(MESSAGE), "a2")
    assert (attachment.filename, content) == ("p.png", b"hello")


def test_an_unknown_attachment_is_said_to_be_unknown():
    with pytest.raises(AttachmentUnknownError):
        attachment_bytes(MESSAGE, parse(MESSAGE), "a9")
