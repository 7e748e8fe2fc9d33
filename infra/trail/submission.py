"""Signing in and handing over at submission, each told of."""

import logging
import time

from domain.addresses import EmailAddress
from gateways.accounts import CredentialsInvalidError, NativeSignIn, Principal
from gateways.envelope import Envelope
from gateways.http.metrics import SIGN_INS_REFUSED, SUBMITTED
from gateways.submission.handover import Handing
from infra.logs import facts
from infra.trail.stages import stage

_log = logging.getLogger("ledgermail.sign_in")


class ToldSignIn:
    """The port `gateways.accounts.NativeSignIn`: what was refused is counted, and told with where it came from."""

    def __init__(self, sign_in: NativeSignIn) -> None:
        self._sign_in = sign_in

    def with_password(
        self, address: str, password: str, *, client: str, network_address: str, protocol: str
    ) -> Principal:
        """See `NativeSignIn.with_password`."""
        try:
            return self._sign_in.with_password(
                address, password, client=client, network_address=network_address, protocol=protocol
            )
        except CredentialsInvalidError:
            _refused(protocol, network_address)
            raise

    def with_token(self, token: str, *, network_address: str, protocol: str) -> Principal:
        """See `NativeSignIn.with_token`."""
        try:
            return self._sign_in.with_token(token, network_address=network_address, protocol=protocol)
        except CredentialsInvalidError:
            _refused(protocol, network_address)
            raise

    def still_speaks(self, principal: Principal) -> bool:
        """See `NativeSignIn.still_speaks`."""
        return self._sign_in.still_speaks(principal)


class ToldHandover:
    """The port `gateways.submission.handover.Handing`: what was handed over is told of under its acceptance id."""

    def __init__(self, handover: Handing) -> None:
        self._handover = handover

    def owns(self, principal: Principal, address: EmailAddress) -> bool:
        """See `Handing.owns`."""
        return self._handover.owns(principal, address)

    def submit(self, principal: Principal, envelope: Envelope, raw: bytes, *, send_at_ms: int) -> None:
        """See `Handing.submit`."""
        began = time.time()
        try:
            self._handover.submit(principal, envelope, raw, send_at_ms=send_at_ms)
        except Exception as error:
            stage("not submitted", envelope.acceptance_id, began=began, failed=True, error=repr(error)[:500])
            raise
        SUBMITTED.inc()
        stage(
            "submitted",
            envelope.acceptance_id,
            began=began,
            recipients=len(envelope.recipients),
            protocol=envelope.protocol,
            bytes=envelope.size_bytes,
        )


def _refused(protocol: str, network_address: str) -> None:
    SIGN_INS_REFUSED.labels(protocol).inc()
    _log.warning("sign-in refused", extra=facts(protocol=protocol, peer=network_address))
