"""Reports written for people alone: qmail, exim, sendmail, Exchange, Domino, the large providers and all the others.

They agree on little: an address stands where a line begins or behind words that tell of it, and the reason near it, in
the lines from there to the next address. What follows the words that announce a copy of the original is not looked at.
"""

import re
from collections.abc import Iterable, Sequence

from gateways.bounces.kinds import codes_of, judged, plain, says_why
from gateways.bounces.report import Action, Told
from gateways.bounces.status_fields import domain_of

MAX_CHARS = 64 * 1024
MAX_LINES = 2_000
MAX_RECIPIENTS = 100
MAX_SAID_CHARS = 4_000

_COPY = re.compile(
    r"^[ \t>*=_-]*(?:"
    r"(?:below this line is|this is|included is|attached is|here is|a) (?:a |the )?copy of|"
    r"(?:the )?(?:original|returned|unsent|undelivered|rejected)(?: mail| message|-message)[^\n]{0,40}"
    r"(?:follow|below|header|is:|:?[ \t-]*$)|"
    r"(?:the )?(?:message |mail )?headers?(?: of the (?:original )?message| from the (?:original )?message)?"
    r"[^\n]{0,20} follow|"
    r"the header of the original|"
    r"(?:received|return-path|x-received|dkim-signature|delivered-to)[ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS = re.compile(r"[^\s<>\"'(),:;\[\]{}=|]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_AT_BEGINNING = re.compile(
    r"[ \t>*-]*(?:\d{1,2}[.)] |\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} )?)?[<\"]?(?:mailto:|rfc822;)?"
    rf"({_ADDRESS.pattern})[>\"]?"
    r"(?:[ \t]*$|[ \t]*[:;,.(\[-]|"
    r"[ \t]+(?:on|at|\d|<|was|has|is|host|because|failed|could|user|unknown)\b|\s{2,})",
    re.IGNORECASE,
)
_BEHIND_WORDS = re.compile(
    r"(?:\b(?:to|recipients?|address(?:es)?|user|mailbox|for|attempts|deliver\w*|addressee|account)\b"
    rf"[^@\n]{{0,40}}?[ \t:<(\[\"']|rcpt to:[ \t]*<?)({_ADDRESS.pattern})",
    re.IGNORECASE,
)
_CODED = re.compile(r"\d{3} ")
"""A line of a transcript, which tells all about its own recipient."""
_OF_THE_SENDER = re.compile(r"mail from|\bsender\b|^\s*from\b|reply-to|return-path|envelope-from", re.IGNORECASE)
_FAILURE = re.compile(
    r"undeliver|not (?:be )?deliver|non.?deliver|fail|return|bounce|reject|refus|unknown|error|"
    r"could ?n[o']t|cannot|can't|unable|delay|retr(?:y|ied)|does not exist|not (?:be )?(?:found|sent|reach)|"
    r"did not reach|full|quota|problem|disabled|doesn't (?:accept|exist|have)|invalid|gave up|expired|timed out|loop",
    re.IGNORECASE,
)
_NOT_DELIVERED = re.compile(
    r"(?:could|can|was) ?n[o']t be delivered|was not delivered|undeliverable|delivery (?:has )?failed|"
    r"no such user here|did not reach the following",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"warning message only|do not need to resend|will (?:be retried|keep trying|continue|retry|try again)|"
    r"has been delayed|(?:not|hasn't) (?:yet |been )+(?:been )?delivered|still (?:being|trying|in the)|"
    r"(?:is|was) delayed|delayed? (?:delivery|mail)|\(delay\)|temporarily deferred",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"fail(?:ed|ure|s)? permanent|permanent(?:ly)? (?:fatal )?(?:error|fail)|giv(?:en|ing) up|gave up|"
    r"\(failure\)|returned to sender|could not be delivered (?:for|within)|no (?:further|more) (?:attempt|retr)",
    re.IGNORECASE,
)


def speaks_of_failure(words: str) -> bool:
    """Whether words say outright that a message was not delivered, whoever says so."""
    return _NOT_DELIVERED.search(words) is not None


def own_words(text: str) -> str:
    """The text as far as it is the reporter's: without the copy of the original behind it."""
    text = text[:MAX_CHARS]
    copy = _COPY.search(text)
    return text if copy is None else text[: copy.start()]


def told_in(text: str, *, subject: str, named: Sequence[str], original: Sequence[str]) -> list[Told]:
    """What the words of a mail system tell; nothing where they tell of no failure.

    `named` are recipients that its header names, `original` those of the message that it quotes, for a report that
    names none itself. Where nobody is named at all it tells of one recipient without a name.
    """
    words = own_words(text)
    if not named and not _FAILURE.search(f"{subject} {words}"):
        return []
    lines = words.split("\n")[:MAX_LINES]
    recipients = _distinct(named) or _recipients(lines) or _distinct(original)[:1] or [""]
    about = _about(lines, recipients)
    action = _action(f"{subject}\n{words}")
    return [_told(one, about.get(one.lower(), ""), whole=f"{subject}\n{words}", action=action) for one in recipients]


def _told(recipient: str, about: str, *, whole: str, action: Action) -> Told:
    said = about if says_why(plain(about)) else whole
    codes = codes_of(said)
    kind = judged(plain(said), codes, domain=domain_of(recipient))
    return Told(
        recipient=recipient,
        action=action,
        kind=kind,
        status=codes.status,
        diagnostic=" ".join(said[:MAX_SAID_CHARS].split()),
    )


def _action(text: str) -> Action:
    return "delayed" if _DELAY.search(text) and not _FINAL.search(text) else "failed"


def _recipients(lines: Sequence[str]) -> list[str]:
    """The addresses that lines begin with; where none does, those behind words."""
    usable = [line for line in lines if "@" in line and not _OF_THE_SENDER.search(line)]
    return (
        _distinct(match[1] for line in usable if (match := _AT_BEGINNING.match(line)))
        or _distinct(match[1] for line in usable for match in _BEHIND_WORDS.finditer(line[:1_000]))
        or _distinct(match[0] for line in usable for match in _ADDRESS.finditer(line[:1_000]))[:1]
    )


def _about(lines: Sequence[str], recipients: Iterable[str]) -> dict[str, str]:
    """By recipient in lower case: the lines that name it, each with those behind it that name no other."""
    known = {one.lower() for one in recipients}
    found: dict[str, list[str]] = {one: [] for one in known}
    current, is_coded = "", False
    for line in lines:
        here = [match[0].lower() for match in _ADDRESS.finditer(line[:1_000])] if "@" in line else []
        named = next((one for one in here if one in known), "")
        begins_anew = _CODED.match(line) is not None
        if named or (begins_anew and is_coded):
            current, is_coded = named, begins_anew
        if current:
            found[current].append(line)
    return {one: "\n".join(said)[:MAX_SAID_CHARS] for one, said in found.items()}


def _distinct(addresses: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    for address in addresses:
        seen.setdefault(address.lower().rstrip("."), address.rstrip("."))
    return list(seen.values())[:MAX_RECIPIENTS]
