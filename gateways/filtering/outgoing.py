"""A mail that is sent because of a delivery, before its bytes are stored."""

import msgspec


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One mail to one address; see `domain.automatic_mail.AutomaticMail`."""

    stream: str
    mail_from: str
    to: str
    raw: bytes
    reply_key: str = ""
    within_ms: int = 0
    tells_sender: bool = False
