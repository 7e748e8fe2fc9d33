"""A Maildir's ways: flags in file names, folders by name (Maildir++), names in IMAP's modified UTF-7."""

import base64
import os
import re
from collections.abc import Iterable
from pathlib import Path

MAX_NAME_OCTETS = 250

_FLAGS = {"S": "$seen", "F": "$flagged", "R": "$answered", "P": "$forwarded", "D": "$draft"}
_BY_KEYWORD = {keyword: flag for flag, keyword in _FLAGS.items()}
_INFO = re.compile(r"[:;!]2,")
"""What stands before the flags; some systems cannot have a colon in a file's name."""
_ENCODED_RUN = re.compile(r"&([A-Za-z0-9+,]*)-")
_RUN_TO_ENCODE = re.compile(r"[^ -~]+|&")


def is_maildir(path: Path) -> bool:
    """Whether the folder is a Maildir."""
    return (path / "cur").is_dir() and (path / "new").is_dir()


def flags_of(file_name: str) -> str:
    """The flags in a file's name."""
    parts = _INFO.split(file_name, maxsplit=1)
    return parts[1] if len(parts) == 2 else ""


def keywords_of(flags: str) -> tuple[str, ...]:
    """The keywords that flags stand for."""
    return tuple(sorted({_FLAGS[flag] for flag in flags if flag in _FLAGS}))


def folder_name(name: str) -> str:
    """What a folder is called; `name` is in modified UTF-7 (RFC 3501 section 5.1.3), or taken as it is."""
    if "&" not in name or not name.isascii():
        return name
    try:
        return _ENCODED_RUN.sub(_decoded_run, name)
    except (UnicodeDecodeError, ValueError):
        return name


def _decoded_run(found: re.Match[str]) -> str:
    run = found[1].replace(",", "/")
    return base64.b64decode(run + "=" * (-len(run) % 4)).decode("utf-16-be") if run else "&"


def encoded_name(name: str) -> str:
    """`name` in modified UTF-7."""
    return _RUN_TO_ENCODE.sub(_encoded_run, name)


def _encoded_run(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    return "&" + base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"


class MaildirTree:
    """Where messages are written: a folder for each label, INBOX at the top."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._known: dict[Path, dict[str, str]] = {}
        _made(top)

    def place(self, path: str, stem: str, keywords: Iterable[str]) -> Path:
        """The file of a message in the label of this path; one that lies there with other flags is renamed first."""
        folder = self._folder(path) / "cur"
        if folder not in self._known:
            self._known[folder] = {_INFO.split(name)[0]: name for name in os.listdir(folder)}
        name = f"{stem}:2,{''.join(sorted(_BY_KEYWORD[word] for word in keywords if word in _BY_KEYWORD))}"
        before = self._known[folder].get(stem)
        if before is not None and before != name:
            (folder / before).rename(folder / name)
        self._known[folder][stem] = name
        return folder / name

    def _folder(self, path: str) -> Path:
        if path == "INBOX":
            return self._top
        names = (encoded_name(name).replace(".", "_") for name in path.split("/"))
        return _made(self._top / f".{'.'.join(names)}"[:MAX_NAME_OCTETS])


def _made(folder: Path) -> Path:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return folder
