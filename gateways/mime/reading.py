"""Which parts of a message a person reads, and their text; everything else is an attachment."""

import re
from collections.abc import Iterator

from gateways.mime.charset import decode
from gateways.mime.html_text import MAX_HTML_CHARS, html_to_text
from gateways.mime.structure import MAX_TEXT_CHARS, SNIPPET_CHARS, Part
from gateways.mime.transfer import decoded

_READ_TYPES = ("text/plain", "text/html")
_HARD_LINE = re.compile(r"[^\n]*\n?")
_SIGNATURE = "-- "
_MAX_ENCODED_BYTES = 8 << 20
_SNIPPET_SOURCE_CHARS = 8_000


def read_parts(root: Part, *, prefer: str = "text/plain") -> list[Part]:
    """The leaves that make the body, in order; of alternatives the one of type ``prefer`` where there is one.

    Messages within the message are attachments and not read, except where there is nothing else to read.
    """
    found = list(_read(root, prefer, first=True))
    if not found:
        inner = next((part for part in _leaves(root) if part.parts), None)
        return read_parts(inner.parts[0], prefer=prefer) if inner is not None else []
    return found


def attached_parts(root: Part) -> list[Part]:
    """The leaves that are no form of the body: neither read nor an alternative to what is read."""
    body = {part.path for kind in _READ_TYPES for part in _read(root, kind, first=True)}
    return [part for part in _leaves(root) if part.path not in body and not (_is_readable(part) and part.size == 0)]


def _leaves(root: Part) -> Iterator[Part]:
    """Every part that is no multipart, not looking into messages."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.content_type.startswith("multipart/") and part.parts:
            waiting.extend(reversed(part.parts))
        elif not part.content_type.startswith("multipart/"):
            yield part


def _is_readable(part: Part) -> bool:
    return part.content_type in _READ_TYPES and part.disposition != "attachment" and part.filename is None


def _read(part: Part, prefer: str, *, first: bool) -> Iterator[Part]:
    if part.content_type == "multipart/alternative":
        yield from _best_alternative(part, prefer)
    elif part.content_type.startswith("multipart/"):
        for position, child in enumerate(part.parts):
            yield from _read(child, prefer, first=first and position == 0)
    elif _is_readable(part) or (first and part.content_type in _READ_TYPES and part.disposition != "attachment"):
        yield part


def _best_alternative(part: Part, prefer: str) -> Iterator[Part]:
    choices = [list(_read(child, prefer, first=True)) for child in part.parts]
    filled = [choice for choice in choices if any(leaf.size for leaf in choice)]
    preferred = [choice for choice in filled if any(leaf.content_type == prefer for leaf in choice)]
    for choice in (preferred or filled or choices)[-1:]:
        yield from choice


def part_bytes(raw: bytes, part: Part) -> bytes:
    """The decoded body of a part."""
    return decoded(raw[part.body_start : part.body_end], part.transfer_encoding)


def part_text(raw: bytes, part: Part) -> str:
    """The text of a part as its sender wrote it, LF line ends, format=flowed joined; at most about 8 MiB of it."""
    end = min(part.body_end, part.body_start + _MAX_ENCODED_BYTES)
    text = decode(decoded(raw[part.body_start : end], part.transfer_encoding), part.charset)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if part.content_type == "text/plain" and ("format", "flowed") in part.params:
        return unflowed(text, delsp=("delsp", "yes") in part.params)
    return text


def unflowed(text: str, *, delsp: bool = False) -> str:
    """Format=flowed (RFC 3676): lines that end in a space are joined with the next of the same quote depth."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")  # space-stuffing, section 4.4
        joins = depth == open_depth and content != _SIGNATURE
        flows = content.endswith(" ") and content != _SIGNATURE
        shown = content[:-1] if flows and delsp else content
        if joins:
            out.append(shown)
        else:
            out.append(("\n" if out else "") + (">" * depth + " " if depth else "") + shown)
        open_depth = depth if flows else -1
    return "".join(out)


def search_text(raw: bytes, root: Part) -> str:
    """The words of the body, at most 1 MiB characters: plain text, and HTML as text where there is no plain text."""
    texts: list[str] = []
    left = MAX_TEXT_CHARS
    for part in read_parts(root):
        text = part_text(raw, part)
        if part.content_type == "text/html":
            text = html_to_text(text[:MAX_HTML_CHARS])
        texts.append(text[:left])
        left -= len(texts[-1]) + 1
        if left <= 0:
            break
    return "\n".join(texts)[:MAX_TEXT_CHARS]


def snippet_of(text: str) -> str:
    """The first 200 characters that are not quoted, white space collapsed; quoted ones where there are no others."""
    source = text[:_SNIPPET_SOURCE_CHARS]
    if ">" in source:
        own = " ".join(" ".join(line for line in source.split("\n") if not line.startswith(">")).split())
        if own:
            return own[:SNIPPET_CHARS]
    return " ".join(source[: 4 * SNIPPET_CHARS].split())[:SNIPPET_CHARS] or " ".join(source.split())[:SNIPPET_CHARS]
