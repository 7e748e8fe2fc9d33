"""The check of what leaves: no attachment of it may be infected."""

import hashlib
from collections.abc import Iterator
from typing import Final

from gateways.delivery.validation import CheckAwayError, SentMail
from gateways.mime import show
from gateways.virus.scanning import INFECTED, UNSCREENED, Scanner


class AttachmentCheck:
    """The check `attachments`. What an upload's scan has found within a week is not looked at again."""

    name: Final = "attachments"

    def __init__(self, scanner: Scanner, *, patience_ms: int) -> None:
        self._scanner = scanner
        self.patience_ms: int | None = patience_ms
        """A scanner that is down never blocks mail for longer."""

    def applies(self, mail: SentMail) -> bool:
        """Where it has attachments."""
        return bool(mail.parsed.attachments)

    def judge(self, mail: SentMail) -> str:
        """What is infected; see `Check.judge`."""
        if not self._scanner.answers():
            raise CheckAwayError("the virus scanner does not answer")
        for filename, content in _files(mail):
            digest = hashlib.sha256(content).hexdigest()
            found = self._scanner.scan((content,), sha256=digest, size_bytes=len(content))
            if found.verdict == INFECTED:
                return f"a virus was found in the attachment {filename or 'without a name'} ({found.threat})"
            if found.verdict == UNSCREENED:
                raise CheckAwayError("the virus scanner does not answer")
        return ""


def _files(mail: SentMail) -> Iterator[tuple[str, bytes]]:
    for attachment in mail.parsed.attachments:
        yield attachment.filename, show.attachment_bytes(mail.raw, mail.parsed, attachment.id)[1]
