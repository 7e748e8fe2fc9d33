"""Mails for the page to show."""

from base64 import b64encode
from itertools import count

_numbers = count(1)

HOSTILE_HTML = """<h1 id="kept">A kept heading</h1>
<script>top.attacked = 'script'; document.title = 'attacked'</script>
<img src=x onerror="top.attacked = 'onerror'"><svg onload="top.attacked = 'svg'"></svg>
<a href="javascript:top.attacked='link'">press me</a><iframe srcdoc="<script>top.attacked='srcdoc'</script>"></iframe>
<form action="https://evil.example/"><input name=a><button>go</button></form>
<div style="background:url(https://evil.example/css.png);position:fixed">styled</div>
<style>body{background:url(https://evil.example/style.png)}</style>
<img src="https://evil.example/pixel.gif"><meta http-equiv="refresh" content="0;url=https://evil.example/">
<base href="https://evil.example/"><link rel="stylesheet" href="https://evil.example/x.css">
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=top.attacked='mxss'&gt;">"""
HOSTILE_TEXT = "<img src=x onerror=\"top.attacked='text'\"><script>top.attacked='text'</script>"


def mail(
    subject: str, text: str = "Hello.\n", *, sender: str = "Bob <bob@elsewhere.test>", html: str = "", file: str = ""
) -> bytes:
    """A message to Ada; with HTML or a named file in parts of its own."""
    head = [
        f"From: {sender}",
        "To: Ada <ada@example.test>",
        f"Subject: {subject}",
        f"Message-ID: <page-{next(_numbers)}@elsewhere.test>",
        "Date: Sun, 22 Nov 2026 05:00:00 +0000",
        "MIME-Version: 1.0",
    ]
    parts = [("text/plain; charset=utf-8", "", text)]
    if html:
        parts.append(("text/html; charset=utf-8", "", html))
    if file:
        parts.append(("text/plain", f'Content-Disposition: attachment; filename="{file}"', "what is in the file"))
    kind = "mixed" if file else "alternative"
    body = "".join(_part(*part) for part in parts)
    lines = [*head, f'Content-Type: multipart/{kind}; boundary="bound"', "", body + "--bound--", ""]
    return "\n".join(lines).replace("\n", "\r\n").encode()


def _part(content_type: str, disposition: str, content: str) -> str:
    fields = [f"Content-Type: {content_type}", "Content-Transfer-Encoding: base64", *filter(None, [disposition])]
    return "\n".join(["--bound", *fields, "", _wrapped(content), ""])


def _wrapped(content: str) -> str:
    encoded = b64encode(content.encode()).decode()
    return "\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
