"""The reception, each of whose acceptances is told."""

import time
from collections.abc import Sequence

from domain.addresses import EmailAddress
from gateways.envelope import Envelope
from gateways.http.metrics import ACCEPTED, TURNED_AWAY
from gateways.reception import Reception, Spool, Verdict
from infra.trail.stages import stage

MOST_SHOWN = 10
"""Recipients that a line names; it tells how many there are."""


class ToldReception:
    """The port `gateways.reception.Reception`; see there."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def judge(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict:
        """See `Reception.judge`."""
        return self._reception.judge(recipient, size_bytes=size_bytes)

    def recall(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict | None:
        """See `Reception.recall`."""
        return self._reception.recall(recipient, size_bytes=size_bytes)

    def spool(self) -> Spool:
        """See `Reception.spool`."""
        return self._reception.spool()

    def accept(self, envelope: Envelope, spool: Spool) -> None:
        """See `Reception.accept`."""
        began = time.time()
        try:
            self._reception.accept(envelope, spool)
        except Exception as error:
            _turned_away(envelope, error, began)
            raise
        _accepted(envelope, began)

    def accept_all(self, mails: Sequence[tuple[Envelope, bytes]]) -> Sequence[Exception | None]:
        """See `Reception.accept_all`."""
        began = time.time()
        outcomes = self._reception.accept_all(mails)
        for (envelope, _), error in zip(mails, outcomes, strict=True):
            if error is None:
                _accepted(envelope, began)
            else:
                _turned_away(envelope, error, began)
        return outcomes


def _accepted(envelope: Envelope, began: float) -> None:
    ACCEPTED.inc()
    to = [recipient.forward_path for recipient in envelope.recipients]
    stage(
        "accepted",
        envelope.acceptance_id,
        began=began,
        sender=envelope.reverse_path,
        to=to[:MOST_SHOWN],
        recipients=len(to),
        peer=envelope.peer,
        protocol=envelope.protocol,
        bytes=envelope.size_bytes,
    )


def _turned_away(envelope: Envelope, error: Exception, began: float) -> None:
    TURNED_AWAY.inc()
    stage("not accepted", envelope.acceptance_id, began=began, failed=True, peer=envelope.peer, error=repr(error)[:500])
