"""The check of bulk mail: nobody gets it who said that he wants no more."""

from typing import Final

from domain.addresses import AddressInvalidError, EmailAddress
from domain.suppression import suppressed_form
from gateways.delivery.validation import SentMail
from gateways.unsubscribes import Unsubscribes

BULK: Final = "bulk"


class UnsubscribedCheck:
    """The check `unsubscribed`."""

    name: Final = "unsubscribed"
    patience_ms: Final = None

    def __init__(self, unsubscribes: Unsubscribes) -> None:
        self._unsubscribes = unsubscribes

    def applies(self, mail: SentMail) -> bool:
        """Only to bulk mail."""
        return mail.sending.stream == BULK

    def judge(self, mail: SentMail) -> str:
        """Who wants no more; see `Check.judge`."""
        addresses = [canonical(recipient.address) for recipient in mail.sending.recipients]
        gone = sorted(self._unsubscribes.among(mail.sending.mailbox_id, addresses))
        return f"{', '.join(gone)} unsubscribed from your bulk mail" if gone else ""


def canonical(address: str) -> str:
    """By what an address is known here, whoever spells it."""
    try:
        return EmailAddress.parse(address).canonical
    except AddressInvalidError:
        return suppressed_form(address)
