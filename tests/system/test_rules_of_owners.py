"""Owners' rules in the running service: two accounts, mail by SMTP, processes killed in between."""

import smtplib
from typing import Any

import pytest

from tests.system.http_crowd import Person
from tests.system.service import Service, installation, until

SCRIPT = """require ["fileinto", "copy", "imap4flags", "mailbox", "reject"];
if header :contains "subject" "birds" { addflag "\\\\Flagged"; fileinto :create "Birds/Fast"; stop; }
if header :contains "subject" "refuse" { reject "Not here."; }
if header :contains "subject" "pass on" { redirect :copy "bob@example.test"; }
"""


def send(service: Service, subject: str, *, to: str = "ann@example.test", number: int = 0) -> None:
    raw = (
        f"From: Bob <bob@example.test>\r\nTo: <{to}>\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}.{number}@elsewhere.test>\r\n\r\nText {number}.\r\n"
    )
    with smtplib.SMTP("127.0.0.1", service.smtp, timeout=60) as client:
        client.sendmail("bob@example.test", [to], raw.encode())


def put(person: Person, path: str, body: dict[str, Any]) -> None:
    answer = person.http.put(path, json=body)
    assert answer.status_code == 200, answer.text


def subjects(person: Person) -> list[str]:
    """What lies in any label of the mailbox."""
    answer = person.http.get("/v1/messages", params={"limit": 200})
    return sorted(one["subject"] for one in answer.json()["messages"])


@pytest.mark.timeout(300)
def test_rules_file_forward_refuse_and_answer_once_though_processes_are_killed() -> None:
    with installation() as service:
        service.start()
        ann, bob = (Person(service.url, f"{name}@example.test") for name in ("ann", "bob"))
        put(ann, "/v1/rules/script", {"script": SCRIPT})
        put(ann, "/v1/vacation", {"enabled": True, "subject": "Away", "text": "Back soon."})
        sent = [f"{what} {number}" for what in ("birds", "refuse", "pass on", "plain") for number in range(5)]
        for number, subject in enumerate(sent):
            send(service, subject, number=number)
            if number % 4 == 1:
                service.kill_child("delivery")
        service.kill()
        service.start()
        told = ["Away", *["Your message was not accepted"] * 5]
        wanted = sorted([*(subject for subject in sent if subject.startswith("pass")), *told])
        until(lambda: subjects(ann) == sorted(sent), within_s=120, what="ann has all that was sent to her")
        until(lambda: subjects(bob) == wanted, within_s=120, what=f"bob has {wanted}")
        labels = {one["path"]: one["total"] for one in ann.http.get("/v1/labels").json()["labels"]}
        assert labels["Birds/Fast"] == 5
        assert labels["TRASH"] == 5
        assert labels["INBOX"] == 10
        assert service.stop()[0] == 0
        verified = service.run("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert waiting_to_be_sent(service) == []


def waiting_to_be_sent(service: Service) -> list[Any]:
    """What still waits to be sent."""
    with service.parts() as parts, parts.connect() as connection:
        return connection.execute(
            "SELECT submission_id FROM outbox UNION ALL SELECT submission_id FROM sending"
        ).fetchall()
