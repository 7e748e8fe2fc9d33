"""What an operator, or the counting of bounces and complaints, allows a mailbox: how much it holds, how it may send."""

from domain import quota
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.decisions.quota_warning import warn
from domain.events import QuotaSet, SendingAllowed, SendingRestricted
from domain.refusals import QuotaInvalidError
from domain.rows import Needs
from domain.times import rfc3339

_RESTRICTIONS = (("restriction", "flagged"), ("restriction", "sign_in"))


class SetQuota(MailboxDecision, frozen=True, kw_only=True):
    """The mailbox may hold this many bytes."""

    limit_bytes: int

    def gather(self, appending: Appending) -> Answer:
        """`QuotaSet` where it differs, `QuotaWarned` where that passes a level."""
        mailbox = appending.rows.mailbox
        if not 0 <= self.limit_bytes <= quota.MAX_BYTES:
            raise QuotaInvalidError(f"a quota is a number of bytes from 0 to {quota.MAX_BYTES}")
        if self.limit_bytes == mailbox.quota_bytes:
            return {}
        appending.add(QuotaSet(limit_bytes=self.limit_bytes))
        warn(appending, used_bytes=mailbox.used_bytes, limit_bytes=self.limit_bytes)
        return {}


class RestrictSending(MailboxDecision, frozen=True, kw_only=True):
    """Sending is blocked, or else halved."""

    why: str
    blocked: bool

    def gather(self, appending: Appending) -> Answer:
        """`SendingRestricted` where it is not so already."""
        mailbox = appending.rows.mailbox
        if not (mailbox.sending_blocked if self.blocked else mailbox.sending_halved):
            appending.add(SendingRestricted(why=self.why, blocked=self.blocked))
        return {}


class AllowSending(MailboxDecision, frozen=True, kw_only=True):
    """Sending is free again; what came back until now no longer counts."""

    def needs(self) -> Needs:
        """What else may stand in its way."""
        return Needs(documents=(*_RESTRICTIONS, ("sending", "spam")))

    def gather(self, appending: Appending) -> Answer:
        """`SendingAllowed` where it was not."""
        mailbox = appending.rows.mailbox
        standing = [appending.rows.document(*key) for key in _RESTRICTIONS]
        if mailbox.sending_blocked or mailbox.sending_halved or any(standing):
            appending.add(SendingAllowed(counted_from=rfc3339(appending.context.now_ms)))
        return {}
