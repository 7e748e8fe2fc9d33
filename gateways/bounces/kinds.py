"""Hard or soft: whether what a server said means that the address will never take mail, or only that this message was
not taken.

Hard means that there is no such mailbox or host, that it moved, or that its domain takes no mail at all (RFC 7505).
Everything else is soft, permanent or not: a full mailbox, a filter, a refused sender, an expired queue. Words come
before numbers, because many servers give 5.1.1 for a full mailbox and 5.0.0 for an unknown user.
"""

import re
from typing import Literal, NamedTuple

from gateways.bounces import known_texts as known

Kind = Literal["hard", "soft"]

MAX_CHARS = 4_000
"""How much of what a server said is looked at."""

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([245]\d\d)(?=[ :\-#]|$)")
_AFTER_DATA = re.compile(
    r"after end of data|in reply to (?:end of )?data|end of mail data|>>> data\b|after data|final data|to data command"
)
_AT_RCPT = re.compile(r"\brcpt\b|\b5\d\d <>")
_ADDRESSES = re.compile(r"<?[^\s<>;,()\"']{1,64}@[^\s<>;,()\"']{1,255}>?")
_LINKS = re.compile(r"https?://([^\s/?#]{1,255})\S*")
_HARD_STATUS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4"})
"""RFC 3463 sections 3.2 and 3.5: no such mailbox or host, bad syntax, moved, no route; RFC 7505 section 4.2."""
_SENDER_STATUS = frozenset({"5.1.7", "5.1.8", "4.1.7", "4.1.8"})
_HARD_REPLIES = frozenset({"551", "556"})
"""User not local (RFC 5321 section 4.2.3), domain takes no mail (RFC 7504 section 4)."""


class Codes(NamedTuple):
    """What numbers a text names first: an enhanced status (RFC 3463) and an SMTP reply code; empty for none."""

    status: str = ""
    reply: str = ""


def kind_of(reply: str) -> Kind:
    """Hard or soft, by what a server said: a reply, a diagnostic code, or a report's words."""
    text = plain(reply)
    return judged(text, codes_of(text))


def judged(text: str, codes: Codes, *, around: str = "", domain: str = "") -> Kind:
    """`kind_of` of a text that is `plain`, with the codes that belong to it.

    `around` is what was said besides, `domain` that of the recipient.
    """
    if any(phrases.search(f"{text} {around}") for phrases in known.TAKES_NOTHING_NOW):
        return "soft"
    if known.NO_MAIL_TAKEN.search(text) or known.MOVED.search(text) or known.SURELY_NOBODY.search(text):
        return "hard"
    if _is_passing(codes, text):
        return "soft"
    is_no_host = known.NO_SUCH_HOST.search(text) is not None
    if is_no_host and (known.TRY_AGAIN.search(text) or _AFTER_DATA.search(f"{text} {around}")):
        return "soft"
    if known.NO_SUCH_USER.search(text):
        return "soft" if _is_a_filter(text, around, codes.status, domain) else "hard"
    if is_no_host:
        return "hard"
    is_hard = codes.status in _HARD_STATUS or codes.reply in _HARD_REPLIES
    return "hard" if is_hard and not known.PASSING.search(text) else "soft"


def _is_a_filter(text: str, around: str, status: str, domain: str) -> bool:
    """Whether "no such user" only hides a filter: who took the recipient and then refuses the message knows him, and
    some providers say so to whatever their customers do not want."""
    if status in _HARD_STATUS:
        return False
    if _AFTER_DATA.search(f"{text} {around}"):
        return True
    return domain in known.HIDES_FILTERS and not _AT_RCPT.search(f"{text} {around}")


def says_why(text: str) -> bool:
    """Whether a text that is `plain` holds a code or a phrase that anything can be told by."""
    codes = codes_of(text)
    return (
        bool(codes.status) or codes.reply.startswith(("4", "5")) or any(phrases.search(text) for phrases in known.ALL)
    )


def _is_passing(codes: Codes, text: str) -> bool:
    """A passing code, one of the sender (RFC 3463 section 3.2), or one of policy that the words do not contradict."""
    if codes.status in _SENDER_STATUS:
        return True
    if codes.status == "4.1.1" and known.NO_SUCH_USER.search(text):
        return False  # tried for days, and nobody appeared
    if codes.status.startswith("4") or (codes.reply.startswith("4") and not codes.status.startswith("5")):
        return True
    return codes.status.startswith("5.7.") and known.PASSING.search(text) is not None


def plain(text: str) -> str:
    """The words of a text as `known_texts` has them: bounded, lower case, without addresses, of links the host."""
    words = " ".join(text[:MAX_CHARS].split()).lower()
    return _ADDRESSES.sub("<>", _LINKS.sub(r"\1", words))


def codes_of(text: str) -> Codes:
    """The codes that a text names: of several statuses the first of those that say most, and the first reply code."""
    found = [match[0] for match in _STATUS.finditer(text[:MAX_CHARS])]
    status = max(found, key=_exactness, default="")
    reply = _REPLY.search(text[:MAX_CHARS])
    return Codes(status, reply[1] if reply else "")


def _exactness(status: str) -> int:
    _, subject, detail = status.split(".")
    return (subject != "0") + (detail != "0")
