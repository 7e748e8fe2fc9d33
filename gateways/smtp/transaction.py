"""One mail transaction (RFC 5321 section 3.3): what MAIL and RCPT have said so far."""

from dataclasses import dataclass, field
from typing import Self

from domain.addresses import EmailAddress
from gateways.smtp.content import Content
from gateways.smtp.dsn import DsnWishes
from gateways.smtp.grammar import ArgumentInvalidError, parameters

_MAX_SIZE_DIGITS = 20  # RFC 1870 section 3


class ParameterUnknownError(ValueError):
    """A parameter of an extension that we do not offer (555 5.5.4)."""


@dataclass(slots=True)
class Transaction:
    """From MAIL to the end of the content. `size_bytes` is what SIZE announced."""

    reverse_path: str
    body_type: str = "7BIT"
    smtputf8: bool = False
    size_bytes: int | None = None
    ret: str | None = None
    envid: str | None = None
    recipients: list[EmailAddress] = field(default_factory=list)
    wishes: list[DsnWishes] = field(default_factory=list)
    """What was said of each recipient, in their order."""
    content: Content | None = None

    @classmethod
    def begin(cls, sender: str, given: str) -> Self:
        """The transaction of `MAIL FROM:<sender> given` (RFC 1870, RFC 6152, RFC 6531).

        Raises: ArgumentInvalidError, ParameterUnknownError
        """
        transaction = cls(sender)
        for keyword, value in parameters(given).items():
            transaction._set(keyword, value)
        return transaction

    def add(self, recipient: EmailAddress, wishes: DsnWishes) -> None:
        """One more recipient was accepted."""
        self.recipients.append(recipient)
        self.wishes.append(wishes)

    def looping(self) -> set[EmailAddress]:
        """The recipients to whom the message was delivered before, by its own Delivered-To fields."""
        before = self.content.trace.delivered_to if self.content else set()
        return {recipient for recipient in self.recipients if recipient.canonical in before}

    def _set(self, keyword: str, value: str | None) -> None:
        match keyword, value:
            case "SIZE", str() if value.isascii() and value.isdigit() and len(value) <= _MAX_SIZE_DIGITS:
                self.size_bytes = int(value)
            case "BODY", str() if value.upper() in ("7BIT", "8BITMIME"):
                self.body_type = value.upper()
            case "SMTPUTF8", None:
                self.smtputf8 = True
            case (("SIZE" | "BODY" | "SMTPUTF8"), _):
                raise ArgumentInvalidError(f"{keyword} has another value")
            case _:
                raise ParameterUnknownError(keyword)
