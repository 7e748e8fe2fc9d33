"""The words of a script (RFC 5228 section 8.1), each with its line."""

import re
from collections.abc import Iterator

import msgspec

MAX_SCRIPT_OCTETS = 60_000
MAX_NUMBER = 2**31 - 1
"""RFC 5228 section 2.4.1 asks for numbers of at least 31 bits."""

_TOKEN = re.compile(
    r"(?P<blank>[ \t\n]+|\#[^\n]*|/\*.*?\*/)"
    r"|(?P<text>text:[ \t]*(?:\#[^\n]*)?\n(?:(?!\.(?:\n|\Z))[^\n]*\n)*\.(?:\n|\Z))"
    r"|(?P<name>[a-z_][a-z0-9_]*)"
    r"|(?P<tag>:[a-z_][a-z0-9_]*)"
    r"|(?P<number>[0-9]+[kmg]?)"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[\[\](){},;])",
    re.IGNORECASE | re.DOTALL,
)
_UNITS = {"k": 10, "m": 20, "g": 30}


class ScriptError(Exception):
    """A script is not as it must be; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class Token(msgspec.Struct, frozen=True):
    """One word: its `kind` (name, tag, number, string, or the mark itself), what it says, and where it stands."""

    kind: str
    value: str | int
    line: int


def tokens(script: str) -> Iterator[Token]:
    """The words in their order; a `text:` is a string like any other.

    Raises: ScriptError: too long, or no word of the language.
    """
    if len(script.encode(errors="surrogatepass")) > MAX_SCRIPT_OCTETS:
        raise ScriptError(1, f"a script has at most {MAX_SCRIPT_OCTETS} octets")
    text = script.replace("\r\n", "\n").removeprefix("\ufeff")
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ScriptError(line, _fault(text, at))
        if found.lastgroup != "blank":
            yield _token(str(found.lastgroup), found[0], line)
        line += found[0].count("\n")
        at = found.end()


def _fault(text: str, at: int) -> str:
    if text[at] == '"':
        return "a string has no end"
    if text.startswith("/*", at):
        return "a comment has no end"
    return f"{text[at]!r} is not expected here"


def _token(kind: str, word: str, line: int) -> Token:
    match kind:
        case "name" | "tag":
            return Token(kind, word.lower(), line)
        case "string":
            return Token("string", re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL), line)
        case "text":
            return Token("string", _multiline(word), line)
        case "number":
            return Token("number", _number(word.lower(), line), line)
        case _:
            return Token(word, word, line)


def _multiline(word: str) -> str:
    """What stands between `text:` and the lone dot, less the dots that were stuffed (RFC 5228 section 2.4.2)."""
    lines = word.rstrip("\n").split("\n")[1:-1]
    return "".join(f"{line.removeprefix('.') if line.startswith('..') else line}\n" for line in lines)


def _number(word: str, line: int) -> int:
    digits, shift = word.rstrip("kmg"), _UNITS.get(word[-1], 0)
    number = int(digits) << shift if len(digits) <= 10 else MAX_NUMBER + 1
    if number > MAX_NUMBER:
        raise ScriptError(line, f"a number is at most {MAX_NUMBER}")
    return number
