"""What rules ask of a message's header."""

import re
from itertools import islice

from gateways.spam.letter import Letter

_SINGLE = (b"from", b"subject", b"date", b"message-id", b"to")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})")
_TAG = re.compile(r"(?:\s{4,}|\t)\S|(?:\[|\(|-|\s)[a-z]*\d[a-z\d]{5,}[\])]?$|\s[bcdfghjklmnpqrstvwxz]{6,}$")
_ANSWER = re.compile(r"\s*(?:re|aw|sv|antw|fwd?)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)


def has_no_sender(letter: Letter) -> bool:
    """No From with an address (RFC 5322 section 3.6.2)."""
    return not any("@" in one.address for one in letter.summary.from_)


def repeats_a_field(letter: Letter) -> bool:
    """Fields of which there may be one (RFC 5322 section 3.6) stand twice."""
    return any(len(letter.values(name)) > 1 for name in _SINGLE)


def has_no_message_id(letter: Letter) -> bool:
    """None, or one that is no id at all (RFC 5322 section 3.6.4)."""
    return "@" not in (letter.summary.message_id or "")


def has_no_date(letter: Letter) -> bool:
    """No Date, or one that nobody can read (RFC 5322 section 3.6.1)."""
    return letter.summary.date is None


def names_no_recipient(letter: Letter) -> bool:
    """Neither To nor Cc holds an address."""
    return not any("@" in one.address for one in (*letter.summary.to, *letter.summary.cc))


def shows_another_address(letter: Letter) -> bool:
    """The display name is an address of another domain than the real one."""
    for one in letter.summary.from_[:3]:
        shown = _ADDRESS.search(one.name[:300])
        if shown and shown[1].lower() != one.address.rpartition("@")[2].lower():
            return True
    return False


def has_numbered_sender(letter: Letter) -> bool:
    """Four digits or more in the sender's localpart."""
    return any(sum(c.isdigit() for c in one.address.rpartition("@")[0]) >= 4 for one in letter.summary.from_[:3])


def answers_go_elsewhere(letter: Letter) -> bool:
    """Reply-To and From differ in their domains, and no list wrote it."""
    own = {_domain(one.address) for one in letter.summary.from_}
    return not is_of_list(letter) and any(_domain(one.address) not in own for one in letter.summary.reply_to)


def has_raw_letters(letter: Letter) -> bool:
    """Octets above 127 that are not UTF-8 (RFC 5322 section 2.2, RFC 6532)."""
    return any(not _is_utf8(value) for name in (b"subject", b"from", b"to") for value in letter.values(name)[:2])


def shouts(letter: Letter) -> bool:
    """A subject of two words or more without a small letter."""
    subject = _subject(letter)
    return len(subject) >= 8 and " " in subject and subject.upper() == subject != subject.lower()


def has_excited_subject(letter: Letter) -> bool:
    """Two exclamation marks, or a sum of money."""
    subject = _subject(letter)
    return subject.count("!") >= 2 or re.search(r"[$£€]\s*\d|\${2,}|\d\s*%\s*(?:off|free)", subject.lower()) is not None


def has_tagged_subject(letter: Letter) -> bool:
    """Behind the words stands a code that makes it differ from all its copies."""
    return not has_answer_mark(letter) and _TAG.search(letter.summary.subject[-200:].rstrip()) is not None


def has_no_subject(letter: Letter) -> bool:
    """An empty one, or none."""
    return not _subject(letter)


def has_answer_mark(letter: Letter) -> bool:
    """The subject begins with "Re:" or the like."""
    return _ANSWER.match(letter.summary.subject) is not None


def is_answer(letter: Letter) -> bool:
    """It mentions the message that it answers, and says so in its subject."""
    return bool(letter.summary.in_reply_to or letter.summary.references) and has_answer_mark(letter)


def is_of_list(letter: Letter) -> bool:
    """It bears a List-Id (RFC 2919) and how to reach the list."""
    return letter.summary.list_id is not None and b"list-post" in letter.fields


def _subject(letter: Letter) -> str:
    return "".join(islice(letter.summary.subject.strip(), 300))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _is_utf8(value: bytes) -> bool:
    try:
        value[:2_000].decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True
