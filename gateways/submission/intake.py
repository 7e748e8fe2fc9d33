"""The blocking half of a session of submission: signing in, whose addresses are whose, the hand-over."""

from collections.abc import Callable
from typing import Protocol

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.accounts import CredentialsInvalidError, NativeSignIn, Principal
from gateways.reception import Reception, Spool, TemporarilyUnavailableError
from gateways.sasl import Claim, PasswordClaim
from gateways.smtp.actions import Blocking, Outcome, Own, SignIn, Submit
from gateways.smtp.intake import Intake
from gateways.submission.handover import PROTOCOL, Handing, is_own


class WrittenMail(Spool, Protocol):
    """The content of one message while it arrives; it need not outlive the process."""

    def read(self) -> bytes:
        """All that was written."""
        ...


class SubmissionIntake(Intake):
    """One session's calls. `outages` are the errors of servers that do not answer."""

    def __init__(
        self,
        reception: Reception,
        *,
        handover: Handing,
        sign_in: NativeSignIn,
        new_mail: Callable[[], WrittenMail],
        outages: tuple[type[Exception], ...] = (),
    ) -> None:
        super().__init__(reception)
        self._handover = handover
        self._sign_in = sign_in
        self._new_mail = new_mail
        self._outages = outages
        self._mail: WrittenMail | None = None

    def perform(self, action: Blocking) -> Outcome:
        """As `Intake.perform`, and what submission asks for besides.

        Raises: SubmissionRefusedError, DomainRefusal; AccountsUnavailableError.
        """
        try:
            match action:
                case SignIn(claim, address, helo):
                    return self._signed_in(claim, address=address, helo=helo)
                case Own(principal, address):
                    return self._handover.owns(principal, address)
                case Submit():
                    self._submit(action)
                    return None
                case _:
                    return super().perform(action)
        except self._outages as outage:
            raise TemporarilyUnavailableError(str(outage)) from outage

    def opened(self) -> Spool:
        """The message under way."""
        if self._spool is None:
            self._spool = self._mail = self._new_mail()
        return self._spool

    def _submit(self, action: Submit) -> None:
        self.write(action.data)
        try:
            assert self._mail is not None, "what is written to is there"
            raw = self._mail.read()
        finally:
            self.discard()
        self._handover.submit(action.principal, action.envelope, raw, send_at_ms=action.send_at_ms)

    def _signed_in(self, claim: Claim, *, address: str, helo: str) -> Principal:
        if isinstance(claim, PasswordClaim):
            principal = self._sign_in.with_password(
                claim.name, claim.password, client=helo, network_address=address, protocol=PROTOCOL
            )
        else:
            principal = self._sign_in.with_token(claim.token, network_address=address, protocol=PROTOCOL)
        if claim.acts_as and not _is_address_of(principal, claim.acts_as):
            raise CredentialsInvalidError("nobody acts for somebody else")
        return principal


def _is_address_of(principal: Principal, text: str) -> bool:
    try:
        return is_own(principal, EmailAddress.parse(text))
    except AddressInvalidError:
        return False
