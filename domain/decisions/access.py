"""Who came in, and with which passwords: kept in the owner's own log."""

from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.events import (
    AppPasswordAdded,
    AppPasswordRemoved,
    PasswordChanged,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SignedIn,
)
from domain.rows import Needs

_MAX_CHARS = 500
"""What a client says about itself is cut to that."""


class RecordSignIn(MailboxDecision, frozen=True, kw_only=True):
    """Somebody signed in as the owner; with a recovery code, where so many of them are left."""

    session_id: str
    address: str
    client: str
    protocol: str
    recovery_codes_left: int | None = None

    def needs(self) -> Needs:
        """What a sign-in may end."""
        return Needs(documents=(("restriction", "sign_in"),))

    def gather(self, appending: Appending) -> Answer:
        """`RecoveryCodeUsed` where one was, and `SignedIn`."""
        if self.recovery_codes_left is not None:
            appending.add(RecoveryCodeUsed(left=self.recovery_codes_left))
        appending.add(
            SignedIn(
                session_id=self.session_id,
                address=self.address[:_MAX_CHARS],
                client=self.client[:_MAX_CHARS],
                protocol=self.protocol,
            )
        )
        return {}


class RecordPasswordChange(MailboxDecision, frozen=True, kw_only=True):
    """The password was changed, `by` the owner or an operator."""

    by: str

    def gather(self, appending: Appending) -> Answer:
        """`PasswordChanged`."""
        appending.add(PasswordChanged(by=self.by))
        return {}


class AddAppPassword(MailboxDecision, frozen=True, kw_only=True):
    """A native client got a password of its own."""

    app_password_id: str
    name: str

    def gather(self, appending: Appending) -> Answer:
        """`AppPasswordAdded`."""
        appending.add(AppPasswordAdded(app_password_id=self.app_password_id, name=self.name[:_MAX_CHARS]))
        return {}


class RemoveAppPassword(MailboxDecision, frozen=True, kw_only=True):
    """A native client's password was taken away."""

    app_password_id: str

    def gather(self, appending: Appending) -> Answer:
        """`AppPasswordRemoved`."""
        appending.add(AppPasswordRemoved(app_password_id=self.app_password_id))
        return {}


class RecordSecondFactor(MailboxDecision, frozen=True, kw_only=True):
    """A second factor was switched on."""

    session_id: str

    def gather(self, appending: Appending) -> Answer:
        """`SecondFactorAdded`."""
        appending.add(SecondFactorAdded(session_id=self.session_id))
        return {}


class RecordSecondFactorGone(MailboxDecision, frozen=True, kw_only=True):
    """A second factor was taken off, `by` the owner or an operator."""

    by: str
    session_id: str

    def gather(self, appending: Appending) -> Answer:
        """`SecondFactorRemoved`."""
        appending.add(SecondFactorRemoved(by=self.by, session_id=self.session_id))
        return {}
