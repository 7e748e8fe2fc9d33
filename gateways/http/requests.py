"""Reading a request: its header fields, its query, its body, each bounded and decoded strictly."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from gateways.http.problems import ProblemError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_QUERY_BYTES = 16 * 1024
MAX_FIELDS = 100
BODY_TIMEOUT_S = 60.0
LARGE_BODY_TIMEOUT_S = 600.0
T = TypeVar("T")


def header(scope: Scope, name: bytes) -> str | None:
    """The first header field of this (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def bearer(scope: Scope) -> str | None:
    """The token of the Authorization field (RFC 6750 section 2.1)."""
    value = header(scope, b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def client_address(scope: Scope) -> str:
    """The network address of the other side."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def query_of(scope: Scope, kind: type[T]) -> T:
    """The query string as a struct; names that it does not have are ignored, but for `at`: the past is no present.

    Raises: ProblemError: the parameter, by its name, is none that can be so, comes twice, or holds a NUL.
    """
    raw: bytes = scope.get("query_string", b"")
    if not raw:
        empty: T = _empty(kind)
        return empty
    if len(raw) > MAX_QUERY_BYTES:
        raise ProblemError("parameter_invalid", f"a query string has at most {MAX_QUERY_BYTES} octets")
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        found = msgspec.convert(dict(pairs), kind, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise ProblemError("parameter_invalid", _pointed(error)) from None
    _require_plain(pairs, cast(Any, kind).__struct_fields__)
    return found


def _require_plain(pairs: list[tuple[str, str]], names: tuple[str, ...]) -> None:
    """Each name comes once, no text holds a NUL, and nobody asks for the past. Raises: ProblemError."""
    seen: set[str] = set()
    for name, value in pairs:
        if name in names and "\0" in value:
            raise ProblemError("parameter_invalid", f"no text may hold a NUL character - at `$.{name}`")
        if name in names and name in seen:
            raise ProblemError("parameter_invalid", f"it may come only once - at `$.{name}`")
        if name == "at" and name not in names:
            raise ProblemError("parameter_invalid", "the mailbox as it stood then is not served yet - at `$.at`")
        seen.add(name)


def require_no_nul(value: Any) -> None:
    """No text in it holds a NUL. Raises: ProblemError."""
    if isinstance(value, str):
        if "\0" in value:
            raise ProblemError("body_invalid", "no text may hold a NUL character")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            require_no_nul(getattr(value, name))
    elif isinstance(value, dict):
        for key, one in value.items():
            require_no_nul(key)
            require_no_nul(one)
    elif isinstance(value, list | tuple):
        for one in value:
            require_no_nul(one)


def json_of(raw: bytes, kind: type[T]) -> T:
    """A JSON body as a struct; fields that it does not have are ignored.

    Raises: ProblemError.
    """
    try:
        found: T = _decoder(kind).decode(raw or b"{}")
    except msgspec.ValidationError as error:
        raise ProblemError("body_invalid", _pointed(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError("json_invalid", _pointed(error)) from None
    if b"\\u0000" in raw:
        require_no_nul(found)
    return found


def require_media_type(scope: Scope, wanted: str) -> None:
    """The body is of this media type. Raises: ProblemError."""
    given = (header(scope, b"content-type") or wanted).partition(";")[0].strip().lower()
    if given != wanted:
        raise ProblemError("content_type_unsupported", f"send {wanted}")


async def read_body(scope: Scope, receive: Receive, *, most: int, too_large: str = "body_too_large") -> bytes:
    """The whole body, at most so many octets, within a minute (ten for what may be large).

    Raises: ProblemError.
    """
    require_announced(scope, most, too_large)
    limit_s = BODY_TIMEOUT_S if most <= 2**20 else LARGE_BODY_TIMEOUT_S
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limit_s):
            async for chunk in body_chunks(receive):
                size += len(chunk)
                if size > most:
                    raise ProblemError(too_large, f"at most {most} octets", limit_bytes=most)
                chunks.append(chunk)
    except TimeoutError:
        raise ProblemError("body_timeout") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def require_announced(scope: Scope, most: int, too_large: str) -> None:
    """The length that the request announces, if it does, is at most so much. Raises: ProblemError."""
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdecimal() and int(announced[:20]) > most:
        raise ProblemError(too_large, f"at most {most} octets", limit_bytes=most)


async def body_chunks(receive: Receive) -> Any:
    """The body as it comes. Raises: ProblemError, when the client leaves in the middle of it."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError("request_incomplete")
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk


def _pointed(error: Exception) -> str:
    return str(error)[:300]


def _new_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _without_fields(kind: Any) -> Any:
    try:
        return msgspec.convert({}, kind)
    except msgspec.ValidationError as error:
        raise ProblemError("parameter_invalid", _pointed(error)) from None


_decoder: Callable[[Any], msgspec.json.Decoder[Any]] = cache(_new_decoder)
_empty: Callable[[Any], Any] = cache(_without_fields)
