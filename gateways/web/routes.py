"""Serves the page and its files: read once, checked by entity tag, under a policy that lets nothing foreign in."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

PAGE_POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; frame-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content Security Policy Level 3: no inline script or style, and no string ever becomes markup."""

_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src {images}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
MAIL_POLICY: Final = _MAIL_POLICY.format(images="'self' data: blob:")
"""Of the frame that holds a mail's HTML: its own styles count, nothing runs, nothing comes from elsewhere."""
REMOTE_MAIL_POLICY: Final = _MAIL_POLICY.format(images="'self' data: blob: http: https:")
"""The same after the reader's consent to load images from where the sender says."""

_COMMON: Final = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(store: str = "") -> list[Route]:
    """`/`, the frame of a mail with and without consent, and every file of the page under `/web/`.

    `store` is the origin of the blob store where attachments travel to and from it directly: the page may go there.
    """
    pages = [
        _route("/", "index.html", _with_store(PAGE_POLICY, store)),
        _route("/web/mail.html", "mail.html", _with_store(MAIL_POLICY, store)),
        _route("/web/mail-remote.html", "mail.html", _with_store(REMOTE_MAIL_POLICY, store)),
    ]
    files = sorted(path.name for path in FOLDER.iterdir() if path.suffix in _TYPES and path.suffix != ".html")
    return pages + [_route(f"/web/{name}", name, PAGE_POLICY) for name in files]


def _with_store(policy: str, store: str) -> str:
    if not store:
        return policy
    images = policy.replace("img-src 'self'", f"img-src 'self' {store}")
    return f"{images}; connect-src 'self' {store}" if policy == PAGE_POLICY else images


def _route(path: str, name: str, policy: str) -> Route:
    return Route(path, _file(FOLDER / name, policy), methods=["GET"], include_in_schema=False)


def _file(path: Path, policy: str) -> Endpoint:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_COMMON, "content-security-policy": policy, "etag": etag}

    async def answer(request: Request) -> Response:
        if _holds(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[path.suffix], headers=headers)

    return answer


def _holds(if_none_match: str, etag: str) -> bool:
    """Whether one of the client's tags is this one; compared weakly (RFC 9110 section 13.1.2)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in (etag, "*") for tag in tags)
