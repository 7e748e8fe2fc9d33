"""Mail in files as other programs keep it: mbox (RFC 4155 and its kin), Maildir, and one message a file.

Reading holds one message at a time, never a whole file. What cannot be read is told apart from what can.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from gateways.mime.dates import milliseconds
from infra.maildir import flags_of, folder_name, is_maildir, keywords_of

Format = Literal["auto", "mbox", "eml", "maildir"]

MBOX_SUFFIXES = (".mbox", ".mbx")
MAIL_SUFFIXES = (".eml", ".msg", ".mail")
_FIRST_LINE = re.compile(rb"From |[A-Za-z][A-Za-z0-9_-]*[ \t]*:")
_CHUNK_LINE = 64 * 1024

_SEPARATOR = re.compile(rb"From [^\r\n]*\d\d?:\d\d(?::\d\d)?[^\r\n]*\d{4}[^\r\n]*\r?\n?\Z")
"""The line before each message: `From `, an address, and a time as `asctime` writes it."""
_FROM_DATE = re.compile(
    rb"(?:[A-Z][a-z]{2},?\s+)?([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d\d?:\d\d(?::\d\d)?)\s+(?:[A-Za-z]+\s+)?(\d{4})(?:\s+([+-]\d{4}))?"
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_BARE_LF = re.compile(rb"(?<!\r)\n")
_STATUS = {"R": "$seen", "A": "$answered", "F": "$flagged", "T": "$draft"}


class FoundMail(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a file. `content` has CRLF line ends, a bare CR as it was; None where it could not be read.

    `folder` is the path of names of a Maildir's folder below its top; `arrived_at` is what the file says of the time.
    """

    file: Path
    place: int = 0
    """The how-manieth message of the file, from 0."""
    content: bytes | None
    error: str = ""
    keywords: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()
    arrived_at: int | None = None
    modified_at: int | None = None
    trashed: bool = False
    other: bool = False
    """Whether it is a file of another kind that lies beside mail."""
    single: bool = True
    """Whether the file holds this message and no other."""

    @property
    def source(self) -> Path:
        """What a report names: the file, or the folder of files that hold one message each."""
        return self.file.parent if self.single else self.file


class ReadingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What is read how: the largest message taken, and whether one `>` of `>From ` was put there by the writer."""

    max_bytes: int
    undo_quoting: bool = False


def mail_in(path: Path, *, kind: Format, limits: ReadingLimits) -> Iterator[FoundMail]:
    """The messages below a path: a Maildir, an mbox, one message, or a folder of any of these, in a steady order."""
    if kind == "maildir" or (kind == "auto" and is_maildir(path)):
        yield from _maildir(path, limits)
    elif path.is_dir():
        yield from _folder(path, kind, limits)
    elif kind == "mbox" or (kind == "auto" and _is_mbox(path)):
        yield from _mbox(path, limits)
    else:
        yield _one(path, limits)


def with_crlf(content: bytes) -> bytes:
    """Every line feed behind a carriage return; a carriage return without line feed stays as it is."""
    return _BARE_LF.sub(b"\r\n", content) if b"\n" in content else content


def _is_mbox(path: Path) -> bool:
    if path.suffix.lower() in MBOX_SUFFIXES:
        return True
    if path.suffix.lower() in MAIL_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            return _SEPARATOR.match(file.readline(_CHUNK_LINE)) is not None
    except OSError:
        return False


def _folder(path: Path, kind: Format, limits: ReadingLimits) -> Iterator[FoundMail]:
    """Its files by name, then its folders; links are not followed, hidden names are passed over."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        yield FoundMail(file=path, content=None, error=_said(error), single=False)
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
            yield from _in_folder(Path(entry.path), kind, limits)
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from mail_in(Path(entry.path), kind=kind, limits=limits)


def _in_folder(path: Path, kind: Format, limits: ReadingLimits) -> Iterator[FoundMail]:
    """In a folder a file is one message unless its name says that it is an mbox, or it begins like no mail."""
    if kind != "auto" or path.suffix.lower() in MBOX_SUFFIXES:
        yield from mail_in(path, kind=kind, limits=limits)
    elif path.suffix.lower() in MAIL_SUFFIXES or _begins_like_mail(path):
        yield _one(path, limits)
    else:
        yield FoundMail(file=path, content=None, other=True)


def _begins_like_mail(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _FIRST_LINE.match(file.read(1000).lstrip()) is not None
    except OSError:
        return True  # whoever reads it tells why it cannot be read


def _one(path: Path, limits: ReadingLimits) -> FoundMail:
    """A file that is one message, less a leading mbox line."""
    try:
        with path.open("rb") as file:
            content = file.read(limits.max_bytes + 1)
            modified_at = os.fstat(file.fileno()).st_mtime_ns // 1_000_000
    except OSError as error:
        return FoundMail(file=path, content=None, error=_said(error))
    if len(content) > limits.max_bytes:
        return FoundMail(file=path, content=None, error=_too_large(limits))
    arrived_at = None
    if content.startswith(b"From "):
        line, _, content = content.partition(b"\n")
        arrived_at = _date_of(line)
    return FoundMail(file=path, content=with_crlf(content), arrived_at=arrived_at, modified_at=modified_at)


def _mbox(path: Path, limits: ReadingLimits) -> Iterator[FoundMail]:
    try:
        with path.open("rb") as file:
            yield from _mbox_messages(path, file, limits)
    except OSError as error:
        yield FoundMail(file=path, content=None, error=_said(error), single=False)


def _mbox_messages(path: Path, file: BinaryIO, limits: ReadingLimits) -> Iterator[FoundMail]:
    """Messages between separators, each of which stands at the start or behind an empty line."""
    gathered = _Gathered(limits)
    separator, after_empty, place = b"", True, 0
    while line := file.readline(_CHUNK_LINE):
        if after_empty and line.startswith(b"From ") and _SEPARATOR.match(line):
            if separator or not gathered.is_blank:
                yield _from_mbox(path, place, separator, gathered)
                place += 1
            gathered, separator, after_empty = _Gathered(limits), line, False
            continue
        gathered.add(line)
        after_empty = line in (b"\n", b"\r\n")
    if separator or not gathered.is_blank:
        yield _from_mbox(path, place, separator, gathered)


class _Gathered:
    """The lines of one message of an mbox, at most as many octets as a message may have."""

    def __init__(self, limits: ReadingLimits) -> None:
        self.limits = limits
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def is_blank(self) -> bool:
        return self._size == 0 or (self._size < _CHUNK_LINE and not b"".join(self._lines).strip())

    @property
    def too_large(self) -> bool:
        return self._size > self.limits.max_bytes + 2

    def add(self, line: bytes) -> None:
        self._size += len(line)
        if self.too_large:
            self._lines.clear()
        else:
            self._lines.append(line)

    def content(self) -> bytes:
        """The message, less the empty line that ends it in the file."""
        if len(self._lines) > 1 and self._lines[-1] in (b"\n", b"\r\n") and self._lines[-2].endswith(b"\n"):
            del self._lines[-1]
        content = b"".join(self._lines)
        return _QUOTED_FROM.sub(rb"\1", content) if self.limits.undo_quoting else content


def _from_mbox(path: Path, place: int, separator: bytes, gathered: _Gathered) -> FoundMail:
    if gathered.too_large:
        return FoundMail(file=path, place=place, content=None, error=_too_large(gathered.limits), single=False)
    content = gathered.content()
    return FoundMail(
        file=path,
        place=place,
        single=False,
        content=with_crlf(content),
        keywords=_status_keywords(content),
        arrived_at=_date_of(separator),
    )


def _status_keywords(content: bytes) -> tuple[str, ...]:
    """What `Status` and `X-Status` say, as mail readers keep it in an mbox."""
    header = content[: min((content.find(b"\n\n") + 1) or len(content), 64 * 1024)]
    flags = b"".join(re.findall(rb"(?mi)^(?:x-)?status:[ \t]*([A-Z]+)[ \t]*\r?$", header)).decode()
    return tuple(sorted({_STATUS[flag] for flag in flags if flag in _STATUS}))


def _date_of(separator: bytes) -> int | None:
    found = _FROM_DATE.search(separator)
    if found is None:
        return None
    month, day, clock, year, zone = (part.decode() if part else "" for part in found.groups())
    return milliseconds(f"{day} {month} {year} {clock} {zone or '+0000'}")


def _maildir(path: Path, limits: ReadingLimits) -> Iterator[FoundMail]:
    """A Maildir with its folders: `.Name.Below` (Maildir++) and nested Maildirs."""
    yield from _maildir_folder(path, (), limits)
    for name, folder in _folders_below(path):
        yield from _maildir_folder(folder, name, limits)


def _folders_below(path: Path) -> list[tuple[tuple[str, ...], Path]]:
    found: list[tuple[tuple[str, ...], Path]] = []
    waiting: list[tuple[tuple[str, ...], Path]] = [((), path)] if path.is_dir() else []
    while waiting:
        above, folder = waiting.pop()
        for entry in os.scandir(folder):
            if entry.name in ("cur", "new", "tmp") or not entry.is_dir(follow_symlinks=False):
                continue
            names = tuple(filter(None, entry.name.split("."))) if entry.name.startswith(".") else (entry.name,)
            below = (*above, *(folder_name(name) for name in names))
            if is_maildir(Path(entry.path)):
                found.append((below, Path(entry.path)))
            if len(below) < 20:
                waiting.append((below, Path(entry.path)))
    return sorted(found)


def _maildir_folder(path: Path, name: tuple[str, ...], limits: ReadingLimits) -> Iterator[FoundMail]:
    for part in ("new", "cur"):
        try:
            entries = sorted(entry.name for entry in os.scandir(path / part) if entry.is_file(follow_symlinks=False))
        except OSError as error:
            yield FoundMail(file=path / part, content=None, error=_said(error), single=False)
            continue
        for entry in entries:
            flags = flags_of(entry)
            found = _one(path / part / entry, limits)
            yield msgspec.structs.replace(found, keywords=keywords_of(flags), folder=name, trashed="T" in flags)


def _said(error: OSError) -> str:
    return error.strerror or str(error)


def _too_large(limits: ReadingLimits) -> str:
    return f"it has more than {limits.max_bytes} bytes"
