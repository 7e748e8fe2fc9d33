"""What one reading of an arriving report gives."""

from typing import Literal

import msgspec

from gateways.bounces.kinds import Kind

Action = Literal["failed", "delayed", "delivered", "complained", "replied"]
"""What is told of a recipient: RFC 3464 section 2.3.3 (`delivered` also stands for relayed and expanded), a complaint
(RFC 5965), or that somebody answers by himself (RFC 3834)."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of a report. `status` is the RFC 3463 code, empty where none was given; `diagnostic` what was said,
    in one line."""

    recipient: str
    action: Action
    kind: Kind
    status: str = ""
    diagnostic: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report; of no recipients, where nobody could say what it tells.

    `return_paths` and `message_id` are those of the message that it is about, as far as it quotes it.
    """

    told: tuple[Told, ...] = ()
    feedback_type: str = ""
    """Of a complaint: `abuse`, `not-spam` … (RFC 5965 section 7.3), lower case."""
    return_paths: tuple[str, ...] = ()
    message_id: str = ""
