"""Who is speaking, by a message's header: a mail system of a message that did not arrive, or somebody's server with an
answer of its own (out of office, received, on holiday). Neither is known by its words, which may be about anything."""

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
_ROBOTS = re.compile(
    rb"mailer-?daemon|\bmdaemon@|mail ?delivery|post_?master|mail ?system|maildaemon|system administrator|"
    rb"mail administrator|delivery[ -](?:sub)?system|<>",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"undeliver|non.?deliver|deliver\w* (?:status|fail|report|problem|error|notif|has|incomplete)|(?:mail|message) "
    r"(?:delivery|not|could|status|failure|error|undeliver|system)|return(?:ed|ing) (?:mail|message|to sender)|"
    r"fail(?:ure|ed) (?:notice|mail|deliver|message|to)|delivery|bounce|not (?:be )?deliver|nameserver error|"
    r"loop alert|nicht zustellbar|unzustellbar|non remis|non distribu|no entregad|devuelt|mancat[ao] consegna|"
    r"rejected|user unknown|недостав|не доставлено|退信|配信",
    re.IGNORECASE,
)


def is_notice(fields: Mapping[bytes, Sequence[bytes]], subject: str) -> bool:
    """Whether a mail system speaks, or the subject is that of a message that did not arrive."""
    is_robot = _ROBOTS.search(b" ".join(fields.get(b"from", ()))) is not None
    return is_robot or b"x-failed-recipients" in fields or _NOTICE.search(subject) is not None


def is_from_a_machine(fields: Mapping[bytes, Sequence[bytes]]) -> bool:
    """What Auto-Submitted says: anything but "no" (RFC 3834 section 5)."""
    said = b" ".join(fields.get(b"auto-submitted", ())).split(b";")[0].strip().lower()
    return said not in (b"", b"no")


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
