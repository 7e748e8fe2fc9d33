"""The content of one submission, up to its reply."""

from typing import cast

import msgspec

from gateways.envelope import Envelope
from gateways.smtp.actions import Outcome, Submit, Waiting
from gateways.smtp.transfer import Transfer
from gateways.submission.replies import on_refusal
from gateways.submission.transaction import SubmissionTransaction


class SubmissionTransfer(Transfer):
    """Hands the message over in the name of who signed in."""

    def _acceptance(self, envelope: Envelope, last: bytes) -> Waiting:
        transaction = cast(SubmissionTransaction, self._transaction)
        assert transaction.principal is not None, "who did not sign in has no transaction"
        signed_in = msgspec.structs.replace(
            envelope,
            protocol=f"{envelope.protocol}A",  # RFC 3848
            source="sent",
            sender_mailbox=transaction.principal.mailbox_id,
        )
        return Submit(transaction.principal, signed_in, transaction.send_at_ms(envelope.received_at), last)

    def _reply_to_failure(self, failure: Outcome) -> bytes:
        return on_refusal(failure)
