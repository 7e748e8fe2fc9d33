"""What rules ask of a message's parts."""

from gateways.spam.letter import Letter

_PROGRAM_NAMES = (
    "ade adp app bat chm cmd com cpl exe hta iso jar js jse lnk msc msi msp pif ps1 reg scr sct shb vb vbe vbs wsf wsh"
    " vhd xll"
)
_DOCUMENT_NAMES = "doc docx gif htm html jpeg jpg mp3 pdf png ppt pptx rtf txt xls xlsx zip"
_PROGRAMS, _DOCUMENTS = frozenset(_PROGRAM_NAMES.split()), frozenset(_DOCUMENT_NAMES.split())


def is_only_html(letter: Letter) -> bool:
    """HTML and no other text."""
    kinds = {part.content_type for part in letter.parts}
    return "text/html" in kinds and "text/plain" not in kinds


def is_badly_joined(letter: Letter) -> bool:
    """A multipart without parts (RFC 2046 section 5.1)."""
    return any(part.content_type.startswith("multipart/") for part in letter.parts)


def encodes_plain_text(letter: Letter) -> bool:
    """Text of ASCII letters alone in base64, which nothing but a filter is kept from reading by."""
    encoded = [part for part in letter.parts if part.transfer_encoding == "base64" and _is_text(part.content_type)]
    return bool(encoded) and letter.text.strip() != "" and letter.text.isascii()


def holds_program(letter: Letter) -> bool:
    """An attachment that runs when it is opened."""
    return any(_extensions(part.filename)[-1:] and _extensions(part.filename)[-1] in _PROGRAMS for part in letter.parts)


def disguises_program(letter: Letter) -> bool:
    """`invoice.pdf.exe`."""
    for part in letter.parts:
        *before, last = _extensions(part.filename) or [""]
        if last in _PROGRAMS and before and before[-1] in _DOCUMENTS:
            return True
    return False


def _extensions(filename: str | None) -> list[str]:
    return [] if filename is None else [piece.strip().lower() for piece in filename.split(".")[1:][-2:]]


def _is_text(content_type: str) -> bool:
    return content_type in ("text/plain", "text/html")
