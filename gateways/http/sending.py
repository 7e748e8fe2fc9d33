"""Sending: a draft, or a message in one step, is handed over; once answered it is never lost and never sent twice."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UnsetType

from domain.commands import Outcome
from domain.events import SubmissionRecipient
from domain.ids import DraftId
from domain.refusals import RecipientsInvalidError
from domain.times import DAY_MS
from gateways.delivery.unsubscribed_check import BULK
from gateways.http.composed_commands import SubmitNewOnce, SubmitOnce
from gateways.http.composing import composed_anew, dated, now_ms, recipients, stored
from gateways.http.drafts import standing
from gateways.http.idempotency import first_answer, require_same
from gateways.http.messages import moment
from gateways.http.operations import Answer, Call, Operation, as_json
from gateways.http.problems import ProblemError
from gateways.http.unsubscribing import unsubscribe_fields
from gateways.http.wording import DraftFields, Person, Wording, addresses, wording_of
from gateways.mime.structure import Address

MAX_DELAY_MS = 366 * DAY_MS
Stream = Literal["personal", "transactional", "bulk"]


SendAt = Annotated[str, msgspec.Meta(max_length=40)]
UndoSeconds = Annotated[int, msgspec.Meta(ge=0, le=3600)]


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """When it leaves (RFC 3339), and for how many seconds it can be called back."""

    send_at: SendAt | None = None
    undo_seconds: UndoSeconds | None = None


class MessageToSend(DraftFields, frozen=True, kw_only=True):
    """A draft's fields and its hand-over in one step."""

    send_at: SendAt | None = None
    undo_seconds: UndoSeconds | None = None
    stream: Stream = "personal"


class Submitted(msgspec.Struct):
    """A submission: until `undo_until` it can be called back."""

    submission_id: str
    message_id: str
    undo_until: str
    seq: int


def send_draft(call: Call[None, Handover]) -> Answer:
    """The very message moves to SENT, under the Date of its sending."""
    outcome = first_answer(call)
    if outcome is None:
        row, mail = standing(call)
        wording = wording_of(mail)
        times = _times(call, call.body)
        command = SubmitOnce(
            mailbox_id=call.mailbox_id,
            command_id=call.command_id,
            who=call.who,
            draft_id=DraftId(row.draft_id),
            revision=row.revision,
            recipients=recipients(wording),
            final=stored(call, dated(mail.raw, times["date_ms"])),
            stream="personal",
            request=call.digest.hex(),
            **_handed_over(call, wording, times),
        )
        outcome = call.run(command)
        require_same(call, outcome)
    return _submitted(outcome)


def send_message(call: Call[None, MessageToSend]) -> Answer:
    """It comes into being in SENT."""
    outcome = first_answer(call)
    if outcome is None:
        asked = call.body
        times = _times(call, asked)
        going_to = recipients(Wording(to=_given(asked.to), cc=_given(asked.cc), bcc=_given(asked.bcc)))
        fields = _bulk_fields(call, going_to) if asked.stream == BULK else ()
        message = composed_anew(call, asked, date_ms=times["date_ms"], headers=fields)
        command = SubmitNewOnce(
            mailbox_id=call.mailbox_id,
            command_id=call.command_id,
            who=call.who,
            message=message,
            recipients=going_to,
            stream=asked.stream,
            request=call.digest.hex(),
            **_handed_over(call, None, times),
        )
        outcome = call.run(command)
        require_same(call, outcome)
    return _submitted(outcome)


def _bulk_fields(call: Call[Any, Any], going_to: tuple[SubmissionRecipient, ...]) -> tuple[tuple[str, str], ...]:
    """What lets the one recipient unsubscribe: a link is one person's.

    Raises: RecipientsInvalidError, where there are more.
    """
    if len(going_to) != 1:
        raise RecipientsInvalidError("a bulk message goes to one recipient, so that he can unsubscribe")
    return unsubscribe_fields(call.parts, call.mailbox_id, going_to[0].address)


def _given(people: tuple[Person, ...] | UnsetType) -> tuple[Address, ...]:
    return () if isinstance(people, UnsetType) else addresses(people)


def _times(call: Call[Any, Any], asked: Handover | MessageToSend) -> dict[str, int]:
    now = now_ms()
    undo_s = call.parts.settings.undo_seconds if asked.undo_seconds is None else asked.undo_seconds
    send_at = now if asked.send_at is None else moment(asked.send_at, name="send_at")
    if send_at > now + MAX_DELAY_MS:
        raise ProblemError("body_invalid", "send_at lies within a year")
    send_at = max(send_at, now)
    return {"send_at_ms": send_at, "undo_until_ms": max(send_at, now + undo_s * 1000), "date_ms": send_at}


def _handed_over(call: Call[Any, Any], wording: Wording | None, times: dict[str, int]) -> dict[str, Any]:
    settings = call.parts.settings
    own = next((one.address for one in wording.from_), None) if wording is not None else None
    return {
        "mail_from": own or call.principal.address,
        "send_at_ms": times["send_at_ms"],
        "undo_until_ms": times["undo_until_ms"],
        "per_minute": settings.messages_per_minute,
        "per_day": settings.messages_per_day,
        "volume_from": settings.volume_from,
    }


def _submitted(outcome: Outcome) -> Answer:
    answer = outcome.answer
    shown = Submitted(answer["submission_id"], answer["message_id"], answer["undo_until"], outcome.seq)
    return as_json(shown, status=202)


_ERRORS = (
    "recipients_invalid",
    "identity_unknown",
    "sending_blocked",
    "sign_in_required",
    "rate_limited",
    "composition_invalid",
    "attachments_too_large",
)

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/drafts/{draft_id}/send",
        summary="Send a draft",
        run=send_draft,
        body=Handover,
        answers={202: Submitted},
        errors=("draft_unknown", "draft_changed", "body_unavailable", *_ERRORS),
        unknown="draft_unknown",
        large=True,
        tag="writing",
    ),
    Operation(
        method="POST",
        path="/v1/messages",
        summary="Write and send in one step",
        run=send_message,
        body=MessageToSend,
        answers={202: Submitted},
        errors=("message_unknown", "attachment_unknown", "upload_incomplete", *_ERRORS),
        large=True,
        tag="writing",
    ),
)
