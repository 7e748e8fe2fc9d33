"""Bytes that a stranger wrote, handed out so that no browser takes them for a page."""

import re
from urllib.parse import quote

from gateways.http.operations import Answer

INLINE_TYPES = frozenset(
    {"image/png", "image/gif", "image/jpeg", "image/webp", "image/avif", "image/bmp", "image/apng"}
)
"""Images that hold no script."""
POLICY = b"sandbox; default-src 'none'"
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}", re.ASCII)
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|\ud800-\udfff]')
MAX_NAME_CHARS = 200


def download(content: bytes, *, content_type: str, filename: str, inline: bool = False) -> Answer:
    """The bytes under safe headers: a download, or (`inline`) an image that may be shown."""
    kind, shown = safe_type(content_type, inline=inline)
    headers = (
        (b"content-disposition", disposition("inline" if shown else "attachment", filename)),
        (b"cache-control", b"private, max-age=3600"),
        (b"cross-origin-resource-policy", b"cross-origin" if shown else b"same-origin"),
    )
    return Answer(content, 200, kind, headers, POLICY)


def safe_type(content_type: str, *, inline: bool) -> tuple[str, bool]:
    """The type to answer under, and whether it may be shown where it stands."""
    kind = content_type.lower() if _MEDIA_TYPE.fullmatch(content_type.lower()) else "application/octet-stream"
    return kind, inline and kind in INLINE_TYPES


def disposition(kind: str, filename: str) -> bytes:
    """A Content-Disposition field (RFC 6266) whose name is in ASCII and, where it is not, in UTF-8 too (RFC 8187)."""
    name = _UNSAFE_IN_NAMES.sub("_", filename).strip(". ")[:MAX_NAME_CHARS] or "attachment"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    encoded = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{encoded}'.encode()
