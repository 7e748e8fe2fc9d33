"""Bringing one message along: its bytes as they are, its labels, keywords and time as the owner says."""

import re
from typing import Annotated

import msgspec

from domain.decisions import Composed
from domain.ids import LabelId
from gateways.http.composed_commands import ImportOnce
from gateways.http.composing import now_ms, stored
from gateways.http.idempotency import first_answer, require_same
from gateways.http.messages import moment
from gateways.http.operations import Answer, Call, Operation, as_json
from gateways.http.ports import MIB
from gateways.http.problems import ProblemError
from gateways.http.shapes import Made
from gateways.mime.trace import cut_forged_results

MAX_BYTES = 36 * MIB
_BARE_LF = re.compile(rb"(?<!\r)\n")
_Words = Annotated[str, msgspec.Meta(max_length=8000)]


class ImportQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`labels` (ids) and `keywords` between commas; `received_at` (RFC 3339), now where it is not given."""

    labels: _Words = ""
    keywords: _Words = ""
    received_at: Annotated[str, msgspec.Meta(max_length=40)] | None = None


def import_message(call: Call[ImportQuery, bytes]) -> Answer:
    """Line ends become CRLF; all else stays as it is."""
    outcome = first_answer(call)
    if outcome is None:
        asked = call.query
        raw = cut_forged_results(_BARE_LF.sub(b"\r\n", call.raw), call.parts.settings.hostname)
        if not raw.strip():
            raise ProblemError("message_invalid", "the body is empty")
        received_at = now_ms() if asked.received_at is None else _moment(asked.received_at)
        composed = msgspec.structs.replace(stored(call, raw), received_at=received_at)
        command = ImportOnce(
            mailbox_id=call.mailbox_id,
            command_id=call.command_id,
            who=call.who,
            labels=tuple(map(LabelId, _words(asked.labels))),
            keywords=_words(asked.keywords),
            source="import",
            limit_quota=True,
            request=call.digest.hex(),
            **{name: getattr(composed, name) for name in Composed.__struct_fields__},
        )
        outcome = call.run(command)
        require_same(call, outcome)
    return as_json(Made(outcome.answer["id"], outcome.seq), status=201)


def _moment(text: str) -> int:
    return moment(text, name="received_at", code="parameter_invalid")


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/messages/import",
        summary="Bring a message along",
        run=import_message,
        query=ImportQuery,
        body=bytes,
        body_media="message/rfc822",
        max_body_bytes=MAX_BYTES,
        answers={201: Made},
        errors=("message_invalid", "label_unknown", "keyword_invalid", "body_invalid", "attachments_too_large"),
        large=True,
        tag="messages",
    ),
)
