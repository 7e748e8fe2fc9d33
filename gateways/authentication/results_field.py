"""The parts of an Authentication-Results field (RFC 8601 section 2.2), one a check; ARC-Authentication-Results alike.

Whatever a stranger chose is bounded, and quoted where it could be taken for anything else.
"""

import re

from gateways.authentication.arc import ArcResult
from gateways.authentication.dkim import DkimResult
from gateways.authentication.dmarc import DmarcResult
from gateways.authentication.spf import SpfQuery, SpfResult

MAX_VALUE = 256
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`{|}~@/]+")  # RFC 2045 section 5.1, and what addresses and base64 have
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]+")


def of_spf(query: SpfQuery, found: SpfResult) -> str:
    """By the reverse-path, or by the EHLO name where there is none (section 2.7.2)."""
    name, value = ("smtp.mailfrom", query.reverse_path) if query.reverse_path else ("smtp.helo", query.helo)
    return _part("spf", found.result, _reason(found.result, found.reason), (name, value))


def of_dkim(found: DkimResult) -> str:
    """Of one signature (section 2.7.1)."""
    properties = [
        ("header.d", found.domain),
        ("header.i", found.identity),
        ("header.s", found.selector),
        ("header.a", found.algorithm),
        ("header.b", found.signature),
    ]
    return _part("dkim", found.result, _reason(found.result, found.reason), *properties)


def of_arc(found: ArcResult) -> str:
    """Of the chain (RFC 8617 section 5.2)."""
    instance = str(found.sets[-1].instance) if found.sets else ""
    sealer = found.sealers[-1] if found.sets else ""
    return _part("arc", found.result, _reason(found.result, found.reason), ("arc.i", instance), ("header.d", sealer))


def of_dmarc(found: DmarcResult, *, override: str) -> str:
    """Of the author's domain (RFC 9989 section 9.1)."""
    why = f"overridden: {override}" if override else found.reason
    asked = found.policy if found.result == "fail" else ""
    return _part(
        "dmarc", found.result, _reason(found.result, why), ("header.from", found.author_domain), ("policy.dmarc", asked)
    )


def _part(method: str, result: str, reason: str, *properties: tuple[str, str]) -> str:
    said = [f"{name}={_value(value)}" for name, value in properties if value]
    return " ".join(filter(None, [f"{method}={result}", reason, *said]))


def _reason(result: str, reason: str) -> str:
    return f"reason={_value(reason)}" if reason and result != "pass" else ""


def _value(text: str) -> str:
    text = _UNSAFE.sub(" ", text)[:MAX_VALUE].strip()
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
