"""Variables (RFC 5229): names with values, and what the last pattern matched under numbers."""

import re
from collections.abc import Callable, Mapping, Sequence

MAX_VALUE_CHARS = 4_096
"""RFC 5229 section 6 asks for 4,000; what is longer is cut."""
MAX_VARIABLES = 128
"""As RFC 5229 section 6 asks for."""
MAX_MATCHES = 10
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*|[0-9]{1,3})\}")
_WILD = re.compile(r"([*?\\])")
_MODIFIERS: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "lowerfirst": lambda text: text[:1].lower() + text[1:],
    "upperfirst": lambda text: text[:1].upper() + text[1:],
    "quotewildcard": lambda text: _WILD.sub(r"\\\1", text),
    "length": lambda text: str(len(text)),
}


class TooManyVariablesError(Exception):
    """A script sets more variables than it may."""


class Variables:
    """Those of one run. Names are in lower case."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._matched: Sequence[str] = ()

    def set(self, name: str, value: str, modifiers: Sequence[str] = ()) -> None:
        """The variable becomes the value, each modifier applied.

        Raises: TooManyVariablesError
        """
        for modifier in modifiers:
            value = _MODIFIERS[modifier](value)[:MAX_VALUE_CHARS]
        if name not in self._values and len(self._values) >= MAX_VARIABLES:
            raise TooManyVariablesError(f"a script has at most {MAX_VARIABLES} variables")
        self._values[name] = value[:MAX_VALUE_CHARS]

    def get(self, name: str) -> str:
        """Its value; empty where it was never set."""
        return self._values.get(name, "")

    def matched(self, texts: Sequence[str]) -> None:
        """What a pattern matched, the whole first; it stays where a test matched nothing."""
        self._matched = [text[:MAX_VALUE_CHARS] for text in texts[:MAX_MATCHES]]

    def filled(self, text: str) -> str:
        """The text with every reference filled in, cut at the length of a value unless it was longer itself."""
        if "${" not in text:
            return text
        left, at, found = max(MAX_VALUE_CHARS, len(text)), 0, []
        for reference in _REFERENCE.finditer(text):
            for piece in (text[at : reference.start()], self._value(reference)):
                found.append(piece[:left])
                left -= len(found[-1])
            at = reference.end()
            if not left:
                break
        return "".join((*found, text[at : at + left]))

    def _value(self, found: re.Match[str]) -> str:
        name = found[1]
        if not name[0].isdigit():
            return self.get(name.lower())
        number = int(name)
        return self._matched[number] if number < len(self._matched) else ""
