"""From what went wrong to a problem document (RFC 9457): one table, by the stable `code`."""

import errno
from http import HTTPStatus
from typing import Any

import msgspec

from domain.commands import Refusal
from domain.search_language import QueryInvalidError
from domain.stored_form import UnknownTopicError
from gateways.accounts import AccountsUnavailableError
from gateways.blobs import BlobArchivedError, BlobMissingError, StorageFullError
from gateways.http.ports import HttpParts, TooManyUploadsError
from gateways.mail_objects import MailAlteredError
from gateways.mime.compose import CompositionError
from gateways.mime.show import AttachmentUnknownError
from gateways.transfers import UploadAlteredError
from projections.page import CursorInvalidError
from projections.search import SearchCursorInvalidError, SearchTooBroadError, SearchUnavailableError
from projections.sync_page import HistoryDivergedError, NoMailboxError, SequenceAheadError

MEDIA_TYPE = "application/problem+json"

# fmt: off
STATUSES: dict[str, tuple[int, str]] = {
    # what the request says
    "json_invalid": (400, "The body is not JSON"),
    "request_incomplete": (400, "The body ended before it was whole"),
    "body_invalid": (422, "The body is not what this call takes"),
    "parameter_invalid": (422, "A parameter is not what this call takes"),
    "cursor_invalid": (422, "The cursor is none of this list"),
    "idempotency_key_invalid": (422, "The idempotency key cannot be one"),
    "idempotency_key_reused": (422, "The idempotency key was used with another request"),
    "route_unknown": (404, "There is no such route"),
    "method_not_allowed": (405, "The route does not take this method"),
    "body_timeout": (408, "The body came too slowly"),
    "body_too_large": (413, "The body is too large"),
    "content_type_unsupported": (415, "The body's type is not taken here"),
    # who asks
    "token_invalid": (401, "Sign in first"),
    "signature_invalid": (403, "The signed address is wrong or has expired"),
    "credentials_invalid": (401, "Address and password do not belong together"),
    "totp_required": (401, "The code of the second factor is asked for"),
    "totp_on": (409, "The account has a second factor"),
    "totp_unknown": (404, "There is no second factor"),
    "account_suspended": (403, "The account is suspended"),
    "rate_limited": (429, "Too many requests"),
    "registration_closed": (403, "Only an operator opens accounts here"),
    "address_taken": (409, "The address is taken"),
    "address_invalid": (422, "No account can have this address"),
    "domain_not_served": (422, "The domain is not served here"),
    "password_weak": (422, "The password is too weak"),
    "display_name_invalid": (422, "The display name cannot be one"),
    "account_unknown": (404, "There is no such account"),
    "session_unknown": (404, "There is no such session"),
    "app_password_unknown": (404, "There is no such app password"),
    "app_password_invalid": (422, "The app password cannot be made"),
    "settings_invalid": (422, "The profile cannot be so"),
    "rules_invalid": (422, "The rules cannot be so"),
    "script_invalid": (422, "The script cannot be run"),
    "vacation_invalid": (422, "The automatic reply cannot be so"),
    "identity_unknown": (404, "There is no such identity"),
    "identity_invalid": (422, "The identity cannot be so"),
    "contact_unknown": (404, "There is no such contact"),
    "contact_invalid": (422, "The contact cannot be so"),
    # the stream
    "sequence_ahead": (409, "The position lies above the head: start again from a snapshot"),
    "history_diverged": (409, "The history is another one: start again from a snapshot"),
    "behind": (503, "Not there yet"),
    "mailbox_unknown": (404, "There is no such mailbox"),
    "mailbox_erased": (404, "There is no such mailbox"),
    # messages, labels, drafts
    "message_unknown": (404, "There is no such message"),
    "message_invalid": (422, "There is no message in the body"),
    "attachment_unknown": (404, "There is no such attachment"),
    "thread_unknown": (404, "There is no such conversation"),
    "too_many_ids": (422, "Too many messages at once"),
    "keyword_invalid": (422, "That cannot be a keyword"),
    "label_unknown": (404, "There is no such label"),
    "label_exists": (409, "There is such a label already"),
    "label_reserved": (409, "A system label stays as it is"),
    "label_invalid": (422, "That cannot be a label"),
    "label_has_children": (409, "The label has labels below it"),
    "label_not_empty": (409, "The label is not empty yet: delete it again"),
    "snooze_invalid": (422, "That cannot be snoozed so"),
    "draft_unknown": (404, "There is no such draft"),
    "draft_changed": (412, "The draft has a newer revision"),
    "revision_required": (428, "If-Match must name the revision"),
    "composition_invalid": (422, "That cannot be written as a message"),
    "recipients_invalid": (422, "The recipients cannot be so"),
    "sending_blocked": (403, "Sending is blocked"),
    "sign_in_required": (403, "Sign in again before sending on"),
    "suppression_unknown": (404, "The address is not on the suppression list"),
    "submission_unknown": (404, "There is no such submission"),
    "already_sent": (409, "It has left already"),
    "attachment_too_large": (413, "The attachment is too large"),
    "attachments_too_large": (413, "The attachments are too large together"),
    "attachment_infected": (422, "The attachment is infected"),
    "attachment_blocked": (403, "The attachment is blocked"),
    "attachment_unscreened": (503, "The attachment waits for the virus scanner"),
    "upload_incomplete": (409, "The upload is not complete"),
    "upload_altered": (422, "The bytes are not those announced"),
    "too_many_uploads": (429, "Too many uploads that nothing uses yet"),
    "query_invalid": (422, "The query cannot be read"),
    "quota_invalid": (422, "The quota cannot be so"),
    # the installation
    "restoring": (202, "The message's content is being brought back from the archive"),
    "mailbox_full": (507, "The mailbox is full"),
    "storage_full": (507, "The storage is full"),
    "search_unavailable": (503, "Searching is not possible at present"),
    "body_unavailable": (503, "The message's content cannot be read at present"),
    "unavailable": (503, "A server behind does not answer"),
    "overloaded": (503, "Too much at once"),
    "internal": (500, "Something went wrong here"),
}
# fmt: on

_CODES: dict[type[Exception], str] = {
    CursorInvalidError: "cursor_invalid",
    SearchCursorInvalidError: "cursor_invalid",
    SearchTooBroadError: "query_invalid",
    SearchUnavailableError: "search_unavailable",
    NoMailboxError: "mailbox_unknown",
    SequenceAheadError: "sequence_ahead",
    HistoryDivergedError: "history_diverged",
    StorageFullError: "storage_full",
    CompositionError: "composition_invalid",
    AttachmentUnknownError: "attachment_unknown",
    BlobMissingError: "body_unavailable",
    BlobArchivedError: "restoring",
    MailAlteredError: "body_unavailable",
    AccountsUnavailableError: "unavailable",
    UnknownTopicError: "unavailable",  # a newer version wrote there: this one waits for its upgrade
    TooManyUploadsError: "too_many_uploads",
    UploadAlteredError: "upload_altered",
    TimeoutError: "unavailable",
}
_UNTOLD = frozenset(
    {"attachment_unknown", "body_unavailable", "restoring", "unavailable", "mailbox_unknown", "storage_full"}
)
"""Codes whose exception's text is for the log, not for a stranger."""
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
RETRY_AFTER_S = {
    "behind": 1,
    "search_unavailable": 5,
    "unavailable": 2,
    "overloaded": 1,
    "body_unavailable": 60,
    "attachment_unscreened": 60,
    "restoring": 3600,
}


class ProblemError(Exception):
    """An answer that says what is wrong: `code` of the table, a sentence, further members of the document."""

    def __init__(self, code: str, detail: str = "", *, retry_after_s: int | None = None, **members: Any) -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s if retry_after_s is not None else RETRY_AFTER_S.get(code)
        self.members = members

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUSES[self.code][0]

    def document(self, request: str = "") -> bytes:
        """The problem document. `instance` names the request, by a path that leads nowhere (RFC 9457 section 3.1.5)."""
        status, title = STATUSES[self.code]
        members: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": self.code}
        if self.detail:
            members["detail"] = self.detail
        if request:
            members["instance"] = f"/requests/{request}"
        return msgspec.json.encode(members | {k: v for k, v in self.members.items() if k not in members})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the status asks for beside the document."""
        found: list[tuple[bytes, bytes]] = []
        if self.retry_after_s is not None:
            found.append((b"retry-after", b"%d" % max(self.retry_after_s, 1)))
        if self.status == HTTPStatus.UNAUTHORIZED:
            found.append((b"www-authenticate", b'Bearer realm="ledgermail"'))
        if self.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
            found.append((b"connection", b"close"))
        return found


def problem_of(error: Exception, parts: HttpParts) -> ProblemError | None:
    """The problem that an exception is; None for one that nobody foresaw."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, Refusal):
        return _refused(error)
    if isinstance(error, QueryInvalidError):
        return ProblemError("query_invalid", error.message, position=error.position)
    if isinstance(error, parts.full) or (isinstance(error, OSError) and error.errno in _FULL_DISK):
        return ProblemError("storage_full")
    if isinstance(error, parts.outages):
        return ProblemError("unavailable")
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return ProblemError(code, "" if code in _UNTOLD else str(error))
    return None


def _refused(error: Refusal) -> ProblemError:
    if error.code not in STATUSES:
        return ProblemError("body_invalid", str(error))
    members = {"retry_after_s": getattr(error, "retry_after_s", None)} | getattr(error, "members", {})
    return ProblemError(error.code, getattr(error, "detail", ""), **members)
