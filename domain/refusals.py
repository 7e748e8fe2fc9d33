"""Why a decision said no: one class a stable `code` of the HTTP contract, each with what its problem document tells.

Gateways translate them once per protocol by `code`; `members` are the further members of an RFC 9457 problem.
"""

from typing import ClassVar

from domain.commands import Refusal

Member = str | int | list[str]


class DomainRefusal(Refusal):
    """A refusal with a sentence for people and members for programs."""

    def __init__(self, detail: str, **members: Member) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class MailboxUnknownError(DomainRefusal):
    """The mailbox was never opened, or has been erased."""

    code: ClassVar[str] = "mailbox_unknown"


class MailboxErasedError(DomainRefusal):
    """An erased mailbox is never opened again."""

    code: ClassVar[str] = "mailbox_erased"


class MailboxFullError(DomainRefusal):
    """The message would not fit under the quota (507)."""

    code: ClassVar[str] = "mailbox_full"


class QuotaInvalidError(DomainRefusal):
    """A quota is a number of bytes from 0 to 2^53 - 1."""

    code: ClassVar[str] = "quota_invalid"


class MessageUnknownError(DomainRefusal):
    """Some of the messages do not exist (any more); nothing was changed."""

    code: ClassVar[str] = "message_unknown"

    def __init__(self, ids: list[str]) -> None:
        super().__init__("no such message", ids=ids)
        self.ids = ids


class TooManyIdsError(DomainRefusal):
    """One command names at most 1,000 messages."""

    code: ClassVar[str] = "too_many_ids"


class KeywordInvalidError(DomainRefusal):
    """A keyword is no RFC 9051 atom, is reserved, or is one too many."""

    code: ClassVar[str] = "keyword_invalid"


class LabelUnknownError(DomainRefusal):
    """There is no such label."""

    code: ClassVar[str] = "label_unknown"

    def __init__(self, label_id: str) -> None:
        super().__init__("no such label", label_id=label_id)


class LabelExistsError(DomainRefusal):
    """A sibling has that name already (case does not count)."""

    code: ClassVar[str] = "label_exists"


class LabelReservedError(DomainRefusal):
    """A system label, or one that only saving and sending a draft may give or take."""

    code: ClassVar[str] = "label_reserved"


class LabelInvalidError(DomainRefusal):
    """The path is no path of label names, too deep, leads into itself, or there are too many labels."""

    code: ClassVar[str] = "label_invalid"


class LabelHasChildrenError(DomainRefusal):
    """Only a label without children can be deleted."""

    code: ClassVar[str] = "label_has_children"


class LabelNotEmptyError(DomainRefusal):
    """Only an emptied label can be deleted."""

    code: ClassVar[str] = "label_not_empty"


class SnoozeInvalidError(DomainRefusal):
    """The time is past or too far off, or a message is where nothing returns from."""

    code: ClassVar[str] = "snooze_invalid"


class DraftUnknownError(DomainRefusal):
    """There is no such draft (any more)."""

    code: ClassVar[str] = "draft_unknown"


class DraftChangedError(DomainRefusal):
    """Another revision was saved meanwhile: `revision` is the one that stands, `message_id` its message."""

    code: ClassVar[str] = "draft_changed"

    def __init__(self, revision: int, message_id: str) -> None:
        super().__init__("the draft has a newer revision", revision=revision, message_id=message_id)
        self.revision = revision
        self.message_id = message_id


class IdentityUnknownError(DomainRefusal):
    """There is no such identity."""

    code: ClassVar[str] = "identity_unknown"


class IdentityInvalidError(DomainRefusal):
    """A field of an identity is too long or empty, or there are too many."""

    code: ClassVar[str] = "identity_invalid"


class RecipientsInvalidError(DomainRefusal):
    """No recipient, too many, or one that the submission does not have."""

    code: ClassVar[str] = "recipients_invalid"


class RateLimitedError(DomainRefusal):
    """Too many messages in a minute or a day; again in `retry_after_s` seconds (429)."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many messages sent", retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class SendingBlockedError(DomainRefusal):
    """This mailbox may not send until an operator allows it again."""

    code: ClassVar[str] = "sending_blocked"


class SignInRequiredError(DomainRefusal):
    """Much more was sent than usual: the owner must sign in anew before anything else leaves."""

    code: ClassVar[str] = "sign_in_required"


class SuppressionUnknownError(DomainRefusal):
    """The address is not on the suppression list."""

    code: ClassVar[str] = "suppression_unknown"


class SubmissionUnknownError(DomainRefusal):
    """There is no such submission."""

    code: ClassVar[str] = "submission_unknown"


class AlreadySentError(DomainRefusal):
    """The submission no longer waits: it has left, or was undone or rejected before."""

    code: ClassVar[str] = "already_sent"


class ContactUnknownError(DomainRefusal):
    """There is no such contact."""

    code: ClassVar[str] = "contact_unknown"


class ContactInvalidError(DomainRefusal):
    """A field of a contact is too long, or there are too many addresses or contacts."""

    code: ClassVar[str] = "contact_invalid"


class RulesInvalidError(DomainRefusal):
    """The rules are not JSON, or above 64 KiB."""

    code: ClassVar[str] = "rules_invalid"


class VacationInvalidError(DomainRefusal):
    """The automatic reply is not JSON, or above 64 KiB."""

    code: ClassVar[str] = "vacation_invalid"


class SettingsInvalidError(DomainRefusal):
    """A field of the profile is too long, or the time zone is no name of one."""

    code: ClassVar[str] = "settings_invalid"
