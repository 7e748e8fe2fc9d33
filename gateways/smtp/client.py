"""Who sends: what a connection tells of its other side."""

from dataclasses import dataclass

from gateways.smtp.host import Dialect


@dataclass(frozen=True, slots=True)
class Client:
    """The other side. `helo` is empty until it has said its name; `tls` names version and cipher."""

    address: str
    tls: str | None = None
    helo: str = ""
    is_extended: bool = False

    def protocol(self, dialect: Dialect, *, smtputf8: bool) -> str:
        """The `with` of the Received field (RFC 3848, RFC 6531 section 4.3)."""
        if dialect is Dialect.SMTP and not self.is_extended:
            return "SMTP"
        plain = "LMTP" if dialect is Dialect.LMTP else "SMTP" if smtputf8 else "ESMTP"
        return ("UTF8" if smtputf8 else "") + plain + ("S" if self.tls else "")
