"""Characters spelt by number: `${hex: 40}` and `${unicode: 2660}` (RFC 5228 section 2.4.2.4)."""

import re

import msgspec

from gateways.sieve.lexer import ScriptError
from gateways.sieve.syntax import Argument, Command

_HEX = re.compile(r"\$\{hex:[ \t\n]*((?:[0-9a-f]{1,2}[ \t\n]+)*[0-9a-f]{1,2})[ \t\n]*\}", re.IGNORECASE)
_UNICODE = re.compile(r"\$\{unicode:[ \t\n]*((?:[0-9a-f]{1,8}[ \t\n]+)*[0-9a-f]{1,8})[ \t\n]*\}", re.IGNORECASE)


def decoded_script(command: Command) -> Command:
    """The command with every string decoded.

    Raises: ScriptError: a number is no character.
    """
    return msgspec.structs.replace(
        command,
        arguments=tuple(_argument(one) for one in command.arguments),
        tests=tuple(decoded_script(test) for test in command.tests),
        block=None if command.block is None else tuple(decoded_script(one) for one in command.block),
    )


def _argument(one: Argument) -> Argument:
    if one.kind == "string":
        return msgspec.structs.replace(one, value=_decoded(str(one.value), one.line))
    if one.kind == "list" and isinstance(one.value, tuple):
        return msgspec.structs.replace(one, value=tuple(_decoded(text, one.line) for text in one.value))
    return one


def _decoded(text: str, line: int) -> str:
    if "${" not in text:
        return text
    octets = _HEX.sub(lambda found: bytes(int(pair, 16) for pair in found[1].split()).decode("utf-8", "replace"), text)
    return _UNICODE.sub(lambda found: "".join(_character(number, line) for number in found[1].split()), octets)


def _character(number: str, line: int) -> str:
    code = int(number, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ScriptError(line, f"{number} is no character")
    return chr(code)
