"""Whether a message is an answer that somebody's mail server gave by itself: out of office, received, on holiday."""

import re
from collections.abc import Mapping, Sequence

_SUBJECT = re.compile(
    r"\b(?:auto(?:matic|mated)?[ -]?(?:reply|response|respond\w*|answer)|autoreply|out of (?:the )?office|vacation|"
    r"away until|on (?:holiday|leave|vacation)|i am (?:currently )?away|abwesen\w+|automatische antwort|"
    r"r[eé]ponse automatique|absence|fuori sede|respuesta autom[aá]tica|resposta autom[aá]tica|"
    r"risposta automatica|automatisch antwoord)\b",
    re.IGNORECASE,
)
_REPLY_FIELDS = frozenset(
    {
        b"x-autoreply",
        b"x-autorespond",
        b"x-autoreply-from",
        b"x-mail-autoreply",
        b"x-auto-reply-from",
        b"x-ms-exchange-inbox-rules-loop",
    }
)
_ROBOTS = re.compile(rb"mailer-daemon|mail delivery|postmaster|mail system|<>", re.IGNORECASE)


def is_automatic_reply(fields: Mapping[bytes, Sequence[bytes]], subject: str) -> bool:
    """By its header alone (RFC 3834 section 5); a mail system's own notice is none, whatever it calls itself."""
    if _ROBOTS.search(b" ".join(fields.get(b"from", ()))) or b"x-failed-recipients" in fields:
        return False
    said = b" ".join(fields.get(b"auto-submitted", ())).lower()
    precedence = b" ".join(fields.get(b"precedence", ())).lower()
    return (
        b"auto-replied" in said
        or not _REPLY_FIELDS.isdisjoint(fields)
        or b"auto_reply" in precedence
        or _SUBJECT.search(subject) is not None
    )
