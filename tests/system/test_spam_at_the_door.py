"""The spam filter in a running service: refused at the door, put apart at delivery, taught by its owner."""

import smtplib

import pytest

from tests.system.http_crowd import Person
from tests.system.service import installation, until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
SHADY = (
    'From: "help@bank.test" <x12345@elsewhere.test>\r\nSubject: ACT NOW!!! $$$ MONEY BACK\r\n'
    "Content-Type: text/html\r\n\r\n<script></script><form>Verify your account at"
    " <a href='http://203.0.113.9/'>http://bank.test/</a>, this is not spam, to be removed click here</form>\r\n"
)


def sent(port: int, content: str) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo()
        client.mail("x12345@elsewhere.test")
        client.rcpt("ann@example.test")
        return client.data(content)


@pytest.mark.timeout(240)
def test_a_service_refuses_spam_sets_the_doubtful_apart_and_learns_from_its_owner() -> None:
    with installation(settings={"LEDGERMAIL_SPAM": "on"}) as service:
        service.start()
        ann = Person(service.url, "ann@example.test")
        code, reply = sent(service.smtp, f"From: x@elsewhere.test\r\nSubject: test\r\n\r\n{GTUBE}\r\n")
        assert (code, reply[:5]) == (550, b"5.7.1")
        assert sent(service.smtp, SHADY)[0] == 250
        until(lambda: ann.get("/v1/messages", label="SPAM")["messages"], within_s=60, what="it is in SPAM")
        (message,) = ann.get("/v1/messages", label="SPAM")["messages"]
        opened = ann.get(f"/v1/messages/{message['id']}")
        assert 0.3 <= opened["spam_score"] < 0.7
        assert "A link in it shows another address than it leads to." in opened["spam_reasons"]
        said = {"ids": [message["id"]], "verdict": "not_spam"}
        assert ann.http.post("/v1/messages/report", json=said).status_code == 200
        with service.parts() as parts, parts.connect() as connection:
            until(
                lambda: connection.execute("SELECT spams, hams FROM spam_counts").fetchall() == [(0, 1)],
                within_s=60,
                what="the view has learnt it",
            )
