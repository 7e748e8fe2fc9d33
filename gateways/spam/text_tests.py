"""What rules ask of a message's words. Every pattern is linear in what it reads, and phrases are plain searches."""

import re
import string

from gateways.spam.letter import Letter

_MIXED = re.compile(r"[a-z][\u0430-\u044f\u03b1-\u03c9]|[\u0430-\u044f\u03b1-\u03c9][a-z]", re.IGNORECASE)
_OTHER_LETTERS = re.compile("[\u00b5\u0345\u0370-\u04ff\u1c80-\u1c88\u1fbe]")
"""All that the pattern before it can take for Cyrillic or Greek: most mail has none of them."""
_INVISIBLE = re.compile("[a-z][\u00ad\u200b-\u200d\u2060\ufeff][a-z]", re.IGNORECASE)
_SIGNS = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_CAPITALS, _SMALL = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()
_SUM = re.compile(r"[$£€]\s?\d{1,3}(?:[,.]\d{3})+")
_MONEY = (
    " million",
    "extra income",
    "financial freedom",
    "financially independen",
    "earn up to",
    "earn over",
    "earn $",
    "money back",
    "no obligation",
    "no cost to you",
    "us$",
    "$$$",
    "per week",
    "make money",
    "bitcoin wallet",
)
_REMOVAL = (
    "to be removed",
    "be removed from",
    "be taken off",
    "remove me",
    "to stop receiving",
    "to opt out",
    "to opt-out",
    "no longer wish to receive",
    "don't wish to receive",
    "do not wish to receive",
    "remove in the subject",
    'remove" in the subject',
    "click here to unsubscribe",
    "click here to remove",
    "click below to remove",
)
_DENIAL = (
    "this is not spam",
    "is not spam",
    "not considered spam",
    "cannot be considered spam",
    "not unsolicited",
    "section 301",
    "s. 1618",
    "s.1618",
    "never send unsolicited",
    "never sends unsolicited",
    "received this email because",
    "receiving this email because",
    "received this e-mail because",
    "receiving this e-mail because",
    "received this message because",
    "receiving this message because",
    "receiving this as a",
    "this is a one time mailing",
)
_HURRY = (
    "act now",
    "act today",
    "act immediately",
    "limited time",
    "once in a lifetime",
    "don't miss",
    "don't delay",
    "order now",
    "order today",
    "call now",
    "call today",
    "call toll",
    "toll free",
    "toll-free",
    "click here now",
    "click below now",
    "will be suspended",
    "has been suspended",
    "has been locked",
    "has been limited",
    "will be deactivated",
    "verify your account",
    "verify your identity",
    "verify your password",
    "urgent reply",
    "urgent response",
    "urgent assistance",
)
_FORTUNE = (
    "next of kin",
    "beneficiary",
    "late president",
    "late father",
    "late husband",
    "deceased client",
    "late general",
    "transfer of the",
    "transfer the sum",
    "transfer this money",
    "transfer the fund",
    "utmost confiden",
    "the sum of",
    "million united states",
    "foreign account",
    "foreign partner",
    "unclaimed",
    "lottery",
    "modalities",
)
_CURES = (
    "viagra",
    "cialis",
    "xanax",
    "valium",
    "phentermine",
    "weight loss",
    "lose weight",
    " hgh",
    "growth hormone",
    "penis",
    "herbal",
    "online pharmacy",
    "no prescription",
    "anti-aging",
    "antiaging",
    "enlargement",
)
MIN_OF_FORTUNE = 3


def mixes_scripts(letter: Letter) -> bool:
    """Latin letters beside Cyrillic or Greek ones within one word, several times."""
    text = letter.text
    return not text.isascii() and _OTHER_LETTERS.search(text) is not None and len(_MIXED.findall(text)) >= 3


def holds_invisible_signs(letter: Letter) -> bool:
    """Signs of no width between Latin letters, several times."""
    text = letter.text
    return not text.isascii() and _SIGNS.search(text) is not None and len(_INVISIBLE.findall(text)) >= 3


def shouts(letter: Letter) -> bool:
    """A third of the letters are capitals."""
    beginning = letter.text[:4_000].encode("ascii", "ignore")
    capitals = len(beginning) - len(beginning.translate(None, _CAPITALS))
    small = len(beginning) - len(beginning.translate(None, _SMALL))
    return capitals + small > 200 and capitals * 2 > small


def speaks_of_money(letter: Letter) -> bool:
    """Large sums, or easy ones."""
    words = letter.words
    return _any(_MONEY, words) or _SUM.search(words) is not None


def offers_removal(letter: Letter) -> bool:
    """How to be taken off a list that one never joined, without the field that lists have for it (RFC 2369)."""
    return b"list-unsubscribe" not in letter.fields and _any(_REMOVAL, letter.words)


def denies_being_spam(letter: Letter) -> bool:
    """Who says so mostly sends some."""
    return _any(_DENIAL, letter.words)


def urges(letter: Letter) -> bool:
    """There is no time to think."""
    return _any(_HURRY, letter.words)


def promises_fortune(letter: Letter) -> bool:
    """The advance-fee fraud."""
    words = letter.words
    return sum(phrase in words for phrase in _FORTUNE) >= MIN_OF_FORTUNE


def sells_cures(letter: Letter) -> bool:
    """Medicine by mail."""
    return _any(_CURES, letter.words)


def _any(phrases: tuple[str, ...], words: str) -> bool:
    return any(phrase in words for phrase in phrases)
