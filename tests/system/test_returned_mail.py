"""What comes back, through the whole service: sent under a return path, reported by SMTP, and held against the address
from then on."""

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from domain.addresses import EmailAddress
from domain.ids import MailboxId, SubmissionId
from gateways.delivery.reports import report
from infra.rebuild import rebuild_mailbox, verify_mailbox
from tests.system.http_crowd import Person
from tests.system.service import Service, installation, until

FAR = "nobody@elsewhere.test"
NO_DNS = {"LEDGERMAIL_DNS": "127.0.0.1:9", "LEDGERMAIL_AUTHENTICATION": "off"}
"""Nobody answers there: what goes elsewhere is deferred, and the tests say what became of it."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with installation(settings=NO_DNS) as made:
        made.start()
        yield made


def send(person: Person, address: str = FAR) -> str:
    """The id of a submission that the sender has seen to."""
    letter = {"to": [{"address": address}], "subject": "Hello", "text": "How are you?", "undo_seconds": 0}
    answer = person.http.post("/v1/messages", json=letter)
    assert answer.status_code == 202, answer.text
    submission_id = str(answer.json()["submission_id"])
    until(lambda: told_of(person, submission_id)["status"] != "queued", within_s=60, what="the sender has seen to it")
    return submission_id


def told_of(person: Person, submission_id: str) -> dict[str, Any]:
    """Where it stands with the submission's one recipient."""
    (recipient,) = person.http.get(f"/v1/submissions/{submission_id}").json()["recipients"]
    return dict(recipient)


def leave(service: Service, person: Person, submission_id: str) -> str:
    """The return path under which it left, as the relay makes it, and tells so."""
    with service.parts() as parts:
        mailbox_id = parts.accounts.at(person.address).mailbox_id
        told = report(mailbox_id, SubmissionId(submission_id), 0, status="relayed", last_reply="250 ok", attempts=2)
        parts.lane.run(told)
        return parts.return_paths.make(mailbox_id, SubmissionId(submission_id), 0)


def bounce(to: str, *, said: str = "550 5.1.1 no such user") -> bytes:
    return (
        f"From: MAILER-DAEMON@elsewhere.test\r\nTo: <{to}>\r\nSubject: Returned mail\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; elsewhere.test\r\n\r\n"
        f"Final-Recipient: rfc822; {FAR}\r\nAction: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; {said}\r\n\r\n"
        "--b--\r\n"
    ).encode()


def arrive(service: Service, mail: bytes, to: str, *, sender: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", service.smtp) as door:
        door.sendmail(sender, [to], mail)


def inbox(person: Person) -> list[str]:
    found = person.http.get("/v1/messages", params={"label": "INBOX"}).json()["messages"]
    return [message["subject"] for message in found]


def events(person: Person, kind: str) -> list[dict[str, Any]]:
    told = person.http.get("/v1/sync", params={"since": 0, "limit": 1000}).json()["events"]
    return [event["data"] for event in told if event["type"] == kind]


def test_a_bounce_is_told_suppresses_the_address_and_survives_a_rebuild(service: Service) -> None:
    ann = Person(service.url, "ann@example.test")
    submission_id = send(ann)
    path = leave(service, ann, submission_id)
    for _again in range(2):  # a far server that missed our 250 sends its report twice
        arrive(service, bounce(path), path)
    until(lambda: told_of(ann, submission_id)["status"] == "bounced", within_s=60, what="the bounce is told")
    until(lambda: "Undelivered mail returned to sender" in inbox(ann), within_s=60, what="ann is told")
    assert told_of(ann, submission_id)["last_reply"] == "550 5.1.1 no such user"
    assert [one["address"] for one in events(ann, "AddressSuppressed")] == [FAR]

    second = send(ann, FAR.upper())
    until(lambda: told_of(ann, second)["status"] == "rejected", within_s=60, what="the second is refused")
    assert "suppression list" in told_of(ann, second)["last_reply"]

    with service.parts() as parts:
        mailbox_id = MailboxId(parts.accounts.at(ann.address).mailbox_id)
        assert verify_mailbox(parts.conninfo, parts.reader, mailbox_id) == []
        rebuild_mailbox(parts.conninfo, parts.reader, mailbox_id, force=True)
        assert verify_mailbox(parts.conninfo, parts.reader, mailbox_id) == []
        assert [one.address for one in parts.suppressions.page(mailbox_id)] == [FAR]
    assert inbox(ann) == ["Undelivered mail returned to sender"]

    listed = service.run("suppression", "list", ann.address)
    assert FAR in listed.stdout
    assert "takes no mail" in listed.stdout
    assert service.run("suppression", "remove", ann.address, FAR).returncode == 0
    third = send(ann)
    assert told_of(ann, third)["status"] == "deferred"
    refused = service.run("suppression", "remove", ann.address, FAR)
    assert refused.returncode == 1
    assert "not on the suppression list" in refused.stderr


def test_a_forged_return_path_and_mail_that_no_machine_sent_are_refused(service: Service) -> None:
    eve = Person(service.url, "eve@example.test")
    path = leave(service, eve, send(eve))
    forged = ("c" if path[2] != "c" else "d").join((path[:2], path[3:]))
    with smtplib.SMTP("127.0.0.1", service.smtp) as door:
        door.helo()
        door.mail("")
        assert door.rcpt(forged) == (550, b"5.1.1 No such mailbox here")
        door.rset()
        door.mail("spammer@elsewhere.test")
        assert door.rcpt(path)[0] == 250
        assert door.data(b"Subject: Buy\r\n\r\nthis\r\n") == (550, b"5.1.1 No such mailbox here")


def test_an_automatic_reply_reaches_the_sender_and_what_nobody_can_make_out_the_operator(service: Service) -> None:
    dora = Person(service.url, "dora@example.test")
    submission_id = send(dora)
    path = leave(service, dora, submission_id)
    away = b"From: Far <%b>\r\nAuto-Submitted: auto-replied\r\nSubject: Away until May\r\n\r\nI am not here.\r\n"
    arrive(service, away % FAR.encode(), path, sender=FAR)
    arrive(service, b"From: x@elsewhere.test\r\nSubject: Hm\r\n\r\nGreetings.\r\n", path)
    until(lambda: "Away until May" in inbox(dora), within_s=60, what="dora has the reply")
    with service.parts() as parts:
        entry = parts.directory.find("postmaster")
        assert entry is not None
        query = "SELECT summary ->> 'subject' FROM messages WHERE mailbox_id = %s"

        def operators() -> list[str]:
            with parts.connect() as connection:
                return [subject for (subject,) in connection.execute(query, (entry.mailbox_id,)).fetchall()]

        until(lambda: "Hm" in operators(), within_s=60, what="the operator has what is no report")
    assert told_of(dora, submission_id)["status"] == "relayed"
    assert "Hm" not in inbox(dora)
    assert EmailAddress.parse(path).localpart not in str(inbox(dora))


def test_a_complaint_leaves_the_status_and_suppresses_the_address(service: Service) -> None:
    carl = Person(service.url, "carl@example.test")
    submission_id = send(carl)
    path = leave(service, carl, submission_id)
    complaint = (
        f"From: fbl@elsewhere.test\r\nTo: <{path}>\r\nSubject: Complaint\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is spam.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: {FAR}\r\n\r\n--b--\r\n"
    ).encode()
    arrive(service, complaint, path)
    until(lambda: events(carl, "AddressSuppressed"), within_s=60, what="the complaint is told")
    assert events(carl, "AddressSuppressed") == [{"address": FAR, "why": "complaint"}]
    told = told_of(carl, submission_id)
    assert (told["status"], told["last_reply"]) == ("relayed", "complained: abuse")
    assert inbox(carl) == []
