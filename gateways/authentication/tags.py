"""Tag lists (RFC 6376 section 3.2), as DKIM, ARC and DMARC write them."""

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NO_SPACE = dict.fromkeys(map(ord, " \t\r\n"))
MAX_TAGS = 100


class TagsInvalidError(ValueError):
    """The text is no tag list, or names a tag twice."""


def tag_list(text: str) -> dict[str, str]:
    """Each tag's value by its name, in their order; white space around both is no part of them.

    Raises: TagsInvalidError
    """
    tags: dict[str, str] = {}
    parts = text.split(";", MAX_TAGS + 1)
    if not parts[-1].strip():
        parts.pop()  # the last semicolon may stand alone
    if len(parts) > MAX_TAGS:
        raise TagsInvalidError(f"more than {MAX_TAGS} tags")
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.fullmatch(name):
            raise TagsInvalidError("a tag is name=value")
        if name in tags:
            raise TagsInvalidError(f"{name}= stands there twice")
        tags[name] = value.strip(" \t\r\n")
    return tags


def without_space(value: str) -> str:
    """The value less all white space, as base64 and the names of header fields are read (RFC 6376 section 3.5)."""
    return value.translate(_NO_SPACE)
