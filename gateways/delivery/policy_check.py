"""The installation's own rules about mail that leaves: how many recipients, how large, which files."""

from collections.abc import Collection
from typing import Final

from gateways.delivery.validation import SentMail


class PolicyCheck:
    """The check `policy`. `blocked_files` are endings of file names, lower case, without a dot."""

    name: Final = "policy"
    patience_ms: Final = None

    def __init__(self, *, recipients: int, message_bytes: int, blocked_files: Collection[str] = ()) -> None:
        self._recipients = recipients
        self._message_bytes = message_bytes
        self._blocked_files = frozenset(blocked_files)

    def applies(self, mail: SentMail) -> bool:
        """Only where something is wrong with its envelope, or files are blocked at all."""
        return bool(self._blocked_files or self._of_envelope(mail))

    def judge(self, mail: SentMail) -> str:
        """Why it may not leave; see `Check.judge`."""
        return self._of_envelope(mail) or self._of_files(mail)

    def _of_envelope(self, mail: SentMail) -> str:
        if len(mail.sending.recipients) > self._recipients:
            return f"it has more than {self._recipients} recipients"
        if mail.sending.size_bytes > self._message_bytes:
            return f"it is larger than {self._message_bytes} bytes"
        return ""

    def _of_files(self, mail: SentMail) -> str:
        for attachment in mail.parsed.attachments if self._blocked_files else ():
            ending = attachment.filename.rpartition(".")[2].strip().lower()
            if ending in self._blocked_files:
                return f"files that end with .{ending} may not be sent"
        return ""
