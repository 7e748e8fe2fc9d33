"""Owners' rules put down, mail delivered, and what became of it."""

from itertools import count
from typing import Any

import msgspec

from domain.decisions import ReplaceRules, ReplaceScript, SetVacation
from domain.events import MessageDelivered
from domain.ids import MailboxId
from gateways.mail_objects import read_mail
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.post_office import PostOffice

_numbers = count()

MAIL = (
    b"From: Bob <bob@elsewhere.test>\r\nTo: Ann <ann@example.test>\r\nSubject: Hello\r\n"
    b"Message-ID: <%b@elsewhere.test>\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\n\r\nHow are you?\r\n"
)


def put_script(office: PostOffice, script: str, mailbox_id: str = "m1") -> None:
    command = ReplaceScript(mailbox_id=MailboxId(mailbox_id), command_id=f"script:{next(_numbers)}", script=script)
    office.lane.run(command)


def put_rules(office: PostOffice, *rules: dict[str, Any], mailbox_id: str = "m1") -> None:
    body = msgspec.json.encode({"rules": rules})
    office.lane.run(ReplaceRules(mailbox_id=MailboxId(mailbox_id), command_id=f"rules:{next(_numbers)}", rules=body))


def put_vacation(office: PostOffice, mailbox_id: str = "m1", **vacation: Any) -> None:
    body = msgspec.json.encode({"enabled": True, "subject": "Away", "text": "Back soon.", **vacation})
    office.lane.run(
        SetVacation(mailbox_id=MailboxId(mailbox_id), command_id=f"vacation:{next(_numbers)}", vacation=body)
    )


def settle(office: PostOffice) -> None:
    """Everything that is due is delivered and sent, until nothing is."""
    while office.worker().run_due() + office.sender().run_due():
        pass


def delivered(office: PostOffice, mailbox_id: str = "m1") -> list[MessageDelivered]:
    """What was delivered to a mailbox, oldest first."""
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    events = [recorded.event for recorded in reader.recorded(MailboxId(mailbox_id))]
    return [event for event in events if isinstance(event, MessageDelivered)]


def noted(event: MessageDelivered) -> dict[str, Any]:
    """What is recorded of the rules with a delivery."""
    assert event.server
    return msgspec.json.decode(event.server.filtering) or {}


def raw_of(office: PostOffice, event: MessageDelivered) -> bytes:
    """The stored message, without its trace block."""
    assert event.server
    return read_mail(office.blobs, event.server.blob)


def submissions(office: PostOffice, mailbox_id: str = "m1") -> list[tuple[str, str, str]]:
    """(stream, status, address) of what a mailbox sent, in order."""
    rows = office.rows(
        "SELECT stream, status, recipients->0->>'address' FROM submissions WHERE mailbox_id = %s ORDER BY created_seq",
        mailbox_id,
    )
    return [(stream, status, address) for stream, status, address in rows]
