"""What a client says to sign in (RFC 4422), without a protocol's lines.

The mechanisms are PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login) and OAUTHBEARER (RFC 7628).

A mechanism is a generator: it yields challenges, is sent responses, and returns what the client claims. Octets go in
and out; the protocol around it encodes them in Base64.
"""

import re
from collections.abc import Callable, Generator

import msgspec

MAX_NAME_OCTETS = 1024
MAX_SECRET_OCTETS = 4096

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_GS2_NAME = re.compile(r"=(2C|3D)")
_ESCAPED = {"2C": ",", "3D": "="}


class ResponseInvalidError(ValueError):
    """What the client said does not follow its mechanism's grammar."""


class PasswordClaim(msgspec.Struct, frozen=True):
    """Somebody says to be `name`, and to know the password. `acts_as` is whom to act for; empty for the same."""

    name: str
    password: str
    acts_as: str = ""


class TokenClaim(msgspec.Struct, frozen=True):
    """Somebody bears a token. `acts_as` is whom it is said to speak for; empty where nothing is said."""

    token: str
    acts_as: str = ""


Claim = PasswordClaim | TokenClaim
Mechanism = Generator[bytes, bytes, Claim]


def plain(initial: bytes | None) -> Mechanism:
    """RFC 4616. Raises: ResponseInvalidError."""
    response = (yield b"") if initial is None else initial
    parts = _text(response, MAX_SECRET_OCTETS).split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise ResponseInvalidError("[authzid] NUL authcid NUL passwd")
    return PasswordClaim(parts[1], parts[2], parts[0])


def login(initial: bytes | None) -> Mechanism:
    """draft-murchison-sasl-login: a name, then a password. Raises: ResponseInvalidError."""
    name = (yield b"Username:") if initial is None else initial
    password = yield b"Password:"
    claimed = PasswordClaim(_text(name, MAX_NAME_OCTETS), _text(password, MAX_SECRET_OCTETS))
    if not claimed.name or not claimed.password:
        raise ResponseInvalidError("a name and a password")
    return claimed


def oauth_bearer(initial: bytes | None) -> Mechanism:
    """RFC 7628 section 3.1. Raises: ResponseInvalidError."""
    response = (yield b"") if initial is None else initial
    header, *pairs = _text(response, MAX_SECRET_OCTETS).split("\x01")
    if pairs[-2:] != ["", ""]:
        raise ResponseInvalidError("key=value pairs, each ended by ^A, and one more ^A")
    said = dict(_pair(pair) for pair in pairs[:-2])
    bearer = _BEARER.fullmatch(said.get("auth", ""))
    if bearer is None:
        raise ResponseInvalidError("auth=Bearer and a token")
    return TokenClaim(bearer[1], _gs2_name(header))


MECHANISMS: dict[str, Callable[[bytes | None], Mechanism]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "OAUTHBEARER": oauth_bearer,
}
"""By name, in the order in which they are offered."""


def token_refused() -> bytes:
    """The challenge that tells why a token is not taken; the client answers it with ^A (RFC 7628 section 3.2.2)."""
    return b'{"status":"invalid_token","schemes":"bearer"}'


def _text(octets: bytes, most: int) -> str:
    if len(octets) > most:
        raise ResponseInvalidError(f"at most {most} octets")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise ResponseInvalidError("UTF-8") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.isalpha():
        raise ResponseInvalidError("key=value")
    return key.lower(), value


def _gs2_name(header: str) -> str:
    """Whom the client acts for (RFC 5801 section 4): `n,a=NAME,`; channel binding is not to be had."""
    flag, _comma, rest = header.partition(",")
    name, comma, more = rest.partition(",")
    if flag not in ("n", "y") or not comma or more or (name and not name.startswith("a=")):
        raise ResponseInvalidError("n,a=NAME,")
    if "=" in _GS2_NAME.sub("", name[2:]):
        raise ResponseInvalidError("= and , are written =3D and =2C")
    return _GS2_NAME.sub(lambda found: _ESCAPED[found[1]], name[2:])
