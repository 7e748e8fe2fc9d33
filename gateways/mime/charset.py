"""Bytes in a declared, wrong, unknown or missing charset, as text that a database and a browser take."""

import codecs
import re
from functools import lru_cache

# Labels mean what browsers take them for (WHATWG Encoding Standard, section 4.2): that is what senders test with.
_MEANT = {
    "ansi_x3.4-1968": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "cp-850": "cp850",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cn-gb": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "big5": "big5hkscs",
}
# Text codecs that are no charset of mail; punycode and idna take quadratic time.
_REFUSED = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_MAY_GIVE_SURROGATES = ("utf-7", "utf-16", "utf-32")
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HIGH_BYTES = re.compile(rb"[\x80-\xff]")


@lru_cache(maxsize=512)
def codec_name(label: str) -> str | None:
    """Python's name of a charset label, or None for one that mail does not use."""
    label = label.strip().strip("\"'").lower()[:64]
    name = _MEANT.get(label, label)
    try:
        found = codecs.lookup(name)
        "".encode(found.name)
    except (LookupError, ValueError, UnicodeError):
        return None
    normal = found.name.replace("-", "_")
    return None if normal in _REFUSED else found.name


def decode(data: bytes, charset: str | None) -> str:
    """The text of ``data``, never failing: as declared, else UTF-8 where it is valid, else windows-1252."""
    if data.isascii() and (charset is None or codec_name(charset) in ("utf-8", "cp1252", None)):
        return data.translate(None, _CONTROLS).decode("ascii")
    name = codec_name(charset) if charset is not None else None
    if name in (None, "utf-8"):
        return _utf8_or_western(data.translate(None, _CONTROLS))
    try:
        text = data.decode(str(name))
    except (UnicodeError, ValueError):
        text = _after_failure(data, str(name))
    if str(name).startswith(_MAY_GIVE_SURROGATES):
        text = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL_CHARACTERS.sub("", text)


def _utf8_or_western(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    if text.count("\ufffd") * 4 > len(_HIGH_BYTES.findall(data)):
        return data.decode("cp1252", "replace")
    return text


def _after_failure(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(name, "replace")
