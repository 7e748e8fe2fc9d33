"""What the service says on standard error: lines for people, or one JSON object a line for machines.

Facts that stand beside a line come by `extra=facts(mail=…, view=…)`; the request that is being answered stands beside
every line by itself. What strangers chose (addresses, replies, errors that quote them) cannot end a line or steer a
terminal: control characters and those that turn the direction of text are shown as escapes, and the further lines of a
traceback are indented.

What is personal in it: mail addresses of envelopes, network addresses of peers, and ids. Never content, subjects,
names, passwords, tokens or keys.
"""

import json
import logging
import re
import sys
import time
from functools import lru_cache
from typing import Any, TextIO

from gateways.http.request_ids import REQUEST

FACTS = "facts"
_ENCODER = json.JSONEncoder(default=str)
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_BARE = re.compile(r"[^\s\"'=\\]+")


def facts(**named: Any) -> dict[str, Any]:
    """What stands beside a line, for `extra`."""
    return {FACTS: named}


def configure(form: str, *, stream: TextIO | None = None) -> None:
    """From now on this process logs in this form: `text` or `json`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Nobody is shown where a line was written, nor by which thread: to find that out costs a third of a line.
    logging._srcfile = None  # as the logging HOWTO says, "Optimization"
    logging.logThreads = logging.logMultiprocessing = False


def say(form: str, text: str) -> None:
    """A line of the program itself, beside its log: what an operator must know."""
    if form == "json":
        members = {"at": _moment(time.time()), "level": "warning", "logger": "ledgermail", "said": text}
        sys.stderr.write(_as_json(members) + "\n")
    else:
        sys.stderr.write(f"ledgermail: {shown(text)}\n")


def shown(text: str) -> str:
    """The text on one line, with nothing in it that steers a terminal."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class JsonLines(logging.Formatter):
    """One object a line, ASCII only: `at`, `level`, `process`, `logger`, `said`, `request`, `error`, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        members = _facts(record) | {
            "at": _moment(record.created),
            "level": record.levelname.lower(),
            "process": record.process,
            "logger": record.name,
            "said": record.getMessage(),
        }
        if record.exc_info:
            members["error"] = self.formatException(record.exc_info)
        return _as_json(members)


class TextLines(logging.Formatter):
    """`TIME LEVEL [process] logger: what was said fact=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        named = "".join(f" {name}={_value(value)}" for name, value in _facts(record).items())
        head = f"{_moment(record.created)} {record.levelname} [{record.process}] {record.name}: "
        line = head + shown(record.getMessage() + named)
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            line += "".join(f"\n    {shown(one)}" for one in lines)
        return line


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = getattr(record, FACTS, {})
    request = REQUEST.get()
    return found | {"request": request} if request else dict(found)


def _value(value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = value if isinstance(value, str) else ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _as_json(members: dict[str, Any]) -> str:
    return _ENCODER.encode(members).replace("\x7f", "\\u007f")


def _moment(seconds: float) -> str:
    """RFC 3339, UTC, with milliseconds."""
    milliseconds = int(seconds * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
