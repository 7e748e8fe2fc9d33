"""A report's file as it comes: XML, in gzip, or alone in a zip; whatever it holds, no more is unpacked than a bound."""

import io
import zipfile
import zlib
from typing import Final

MAX_PACKED_BYTES: Final = 25 * 2**20
MAX_XML_BYTES: Final = 50 * 2**20
MAX_FILES: Final = 100
"""Of a zip; a report is the first that ends with .xml, or the first."""
_GZIP = b"\x1f\x8b"
_ZIP, _ZIP_ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_BOUNDED: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The ways of packing that are unpacked piece by piece; the library unpacks others whole before anything counts."""


class ReportUnreadableError(ValueError):
    """The file is no aggregate report; the text says why in plain words."""


def unpacked(data: bytes) -> bytes:
    """The XML of a file, told by its first octets and not by its name.

    Raises: ReportUnreadableError
    """
    if len(data) > MAX_PACKED_BYTES:
        raise ReportUnreadableError(f"the file is larger than {MAX_PACKED_BYTES >> 20} MB")
    if data.startswith(_GZIP):
        return _gunzipped(data)
    if data.startswith(_ZIP):
        return _unzipped(data)
    return data


def _gunzipped(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(data, MAX_XML_BYTES + 1)
    except zlib.error as error:
        raise ReportUnreadableError(f"the gzip is broken: {error}") from None
    if len(content) > MAX_XML_BYTES:
        raise ReportUnreadableError(f"it unpacks to more than {MAX_XML_BYTES >> 20} MB")
    if not stream.eof:
        raise ReportUnreadableError("the gzip is cut off")
    return content


def _unzipped(data: bytes) -> bytes:
    if data.count(_ZIP_ENTRY) > MAX_FILES:  # the library reads all of them before it tells how many
        raise ReportUnreadableError(f"the zip holds more than {MAX_FILES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            content = _content(packed)
    except ReportUnreadableError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library makes of a stranger's octets
        raise ReportUnreadableError(f"the zip cannot be unpacked: {error}") from None
    if len(content) > MAX_XML_BYTES:
        raise ReportUnreadableError(f"it unpacks to more than {MAX_XML_BYTES >> 20} MB")
    return content


def _content(packed: zipfile.ZipFile) -> bytes:
    files = [one for one in packed.infolist() if not one.is_dir()]
    named = [one for one in files if one.filename.lower().endswith(".xml")] or files
    if not named:
        raise ReportUnreadableError("the zip is empty")
    if named[0].compress_type not in _BOUNDED:
        raise ReportUnreadableError("the zip is packed in a way that no report is")
    with packed.open(named[0]) as file:
        return file.read(MAX_XML_BYTES + 1)
