"""The port from delivery to the relay: recipients of a record who turn out to be elsewhere."""

from collections.abc import Sequence
from typing import Protocol

from gateways.queue import QueueRecord


class Relaying(Protocol):
    """Takes over what delivery cannot deliver here."""

    def take(self, record: QueueRecord, recipients: Sequence[int]) -> None:
        """These recipients (indices) are the relay's from now on: durable on return, the record's object held. Once,
        however often it is called. The object is as a delivery leaves it (`gateways.mail_objects.read_mail`)."""
        ...
