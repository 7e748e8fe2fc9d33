"""What is asked of rspamd, and what it answers: `POST /checkv2` in HTTP, as octets in and out.

Its score is divided by the score at which it would reject, so that both filters speak the same scale.
"""

from collections.abc import Iterator

import msgspec

from gateways.screening import Arrival
from gateways.spam.scoring import Score

MAX_ANSWER_BYTES = 1 << 20
MAX_REASONS = 20
REJECTS = "reject"
_REFUSED = "It is refused by a rule of this server."
_CONTROLS = dict.fromkeys((*range(32), 127), " ")


class RspamdAnswerError(Exception):
    """The answer is none of a scanner that has looked at a message."""


class _Symbol(msgspec.Struct):
    score: float = 0.0
    description: str = ""


class _Answer(msgspec.Struct):
    score: float
    required_score: float
    symbols: dict[str, _Symbol] = {}
    is_skipped: bool = False
    action: str = ""


def request(host: str, arrival: Arrival, message: bytes) -> bytes:
    """The question, on a connection of its own."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in _fields(host, arrival, message))
    return f"POST /checkv2 HTTP/1.0\r\n{fields}\r\n".encode("utf-8", "replace") + message


def answer(octets: bytes) -> Score:
    """The score, from a whole answer. Raises: RspamdAnswerError."""
    head, _, body = octets.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or status[1] != b"200":
        raise RspamdAnswerError(f"answered {head[:60]!r}")
    try:
        found = msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError as error:
        raise RspamdAnswerError(str(error)) from error
    if found.action == REJECTS:  # also without looking further: its test message, and what an operator's map names
        return Score(1.0, tuple(_reasons(found)) or (_REFUSED,), {"rspamd": 1.0})
    if found.is_skipped or found.required_score <= 0:
        raise RspamdAnswerError("did not look at the message")
    value = round(min(max(found.score / found.required_score, 0.0), 1.0), 4)
    return Score(value, tuple(_reasons(found)), {"rspamd": value})


def _fields(host: str, arrival: Arrival, message: bytes) -> Iterator[tuple[str, str]]:
    yield "Host", host
    yield "Content-Length", str(len(message))
    for name, value in (("IP", arrival.peer), ("Helo", arrival.helo), ("From", arrival.reverse_path)):
        if value:
            yield name, value.translate(_CONTROLS)
    yield "MTA-Name", arrival.hostname


def _reasons(found: _Answer) -> Iterator[str]:
    """What speaks against the message, the weightiest first, in rspamd's own words."""
    against = [(symbol.score, name, symbol.description) for name, symbol in found.symbols.items() if symbol.score > 0]
    for _, name, description in sorted(against, reverse=True)[:MAX_REASONS]:
        yield f"{description[:200].rstrip('.') or name[:100]}."
