"""The fields of a delivery-status part (RFC 3464 section 2, RFC 6533): groups of fields, the first of the message."""

import re
from collections.abc import Iterator
from typing import cast

from gateways.bounces.kinds import codes_of, judged, plain, says_why
from gateways.bounces.report import Action, Told

MAX_GROUPS = 100
MAX_FIELD_CHARS = 4_000

_FIELD = re.compile(r"([!-9;-~]{1,60})[ \t]*:[ \t]*(.*)", re.DOTALL)
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_TYPE = re.compile(r"\s*[a-z0-9-]{1,20}\s*;\s*", re.IGNORECASE)
_PASSED_ON = frozenset({"delivered", "relayed", "expanded", "deliverable"})
_NAMES = ("original-recipient", "final-recipient", "x-actual-recipient", "remote-recipient")


def groups_of(text: str) -> list[dict[str, str]]:
    """The groups, field names in lower case; of fields that are repeated the first."""
    groups: list[dict[str, str]] = []
    for block in _EMPTY_LINE.split(text.strip("\n"))[:MAX_GROUPS]:
        fields: dict[str, str] = {}
        for field in _unfolded(block):
            match = _FIELD.fullmatch(field)
            if match is not None:
                fields.setdefault(match[1].lower(), match[2].strip()[:MAX_FIELD_CHARS])
        if fields:
            groups.append(fields)
    return groups


def told_by(text: str, *, words: str) -> list[Told]:
    """The recipients of a delivery-status part. `words` is what the report says to people: it decides where the fields
    give no reason."""
    return [told for group in groups_of(text) if (told := _told(group, plain(words))) is not None]


def _told(group: dict[str, str], words: str) -> Told | None:
    names = [name for name in _NAMES if name in group]
    if not names and "action" not in group:
        return None
    recipient = next((found for name in names if "@" in (found := address_in(group[name]))), "")
    diagnostic = _TYPE.sub("", group.get("diagnostic-code", ""), count=1)
    said = " ".join((group.get("status", ""), diagnostic))
    text, codes = plain(said), codes_of(said)
    return Told(
        recipient=recipient,
        action=_action(group.get("action", ""), codes.status),
        kind=judged(
            text if says_why(plain(diagnostic)) else f"{text} {words}", codes, around=words, domain=domain_of(recipient)
        ),
        status=codes.status,
        diagnostic=" ".join(diagnostic.split())[:MAX_FIELD_CHARS],
    )


def _action(said: str, status: str) -> Action:
    word = said.split()[0].lower().strip(";,") if said.split() else ""
    if word in _PASSED_ON:
        return "delivered"
    if word in ("failed", "delayed"):
        return cast(Action, word)
    return {"2": "delivered", "4": "delayed"}.get(status[:1], "failed")  # type: ignore[return-value]


def address_in(value: str) -> str:
    """The address of a recipient field: without its type (RFC 3464 section 2.3.1), brackets and source route."""
    text = _TYPE.sub("", value, count=1).strip().strip("<>").strip()
    return text.rpartition(":")[2][:320] if text.startswith("@") else text[:320]


def domain_of(address: str) -> str:
    """The domain in lower case; empty for what has none."""
    return address.rpartition("@")[2].lower()


def _unfolded(block: str) -> Iterator[str]:
    held: list[str] = []
    for line in block.split("\n"):
        if line[:1] in (" ", "\t") and held:
            held.append(line.strip())
            continue
        if held:
            yield " ".join(held)
        held = [line]
    if held:
        yield " ".join(held)
