"""Traces, as a collector gets them from the running service."""

import subprocess
import sys

import pytest

from tests.system.http_crowd import Person
from tests.system.otlp_collector import collecting
from tests.system.service import REPOSITORY, installation, until
from tests.system.smtp_crowd import Sender

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@pytest.mark.timeout(180)
def test_the_stages_of_a_mail_meet_in_one_trace_and_a_request_joins_its_clients() -> None:
    with collecting() as collector, installation(settings={"LEDGERMAIL_OTLP": collector.url, **SOON}) as service:
        service.start()
        ann = Person(service.url, "ann@example.test")
        Sender(service.smtp, "traced", [ann.address], mails=1).start().wait(30)
        until(lambda: len(collector.named("in view")) == 2, within_s=30, what="the mail is in both views")
        until(lambda: collector.named("accepted") and collector.named("delivered"), within_s=30)
        (accepted,) = collector.named("accepted")
        following = [*collector.named("delivered"), *collector.named("in view")]
        assert {span["trace"] for span in following} == {accepted["trace"]}
        assert accepted["parent_span"] == ""
        assert {span["parent_span"] for span in following} == {accepted["span"]}
        assert {span["attributes"]["ledgermail.mail"] for span in following} == {
            accepted["attributes"]["ledgermail.mail"]
        }
        assert all(span["took_ns"] >= 0 for span in collector.spans)
        ann.http.get("/v1/account", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        until(lambda: any(span["trace"] == TRACE for span in collector.spans), within_s=30, what="the request's span")
        (request,) = (span for span in collector.spans if span["trace"] == TRACE)
        assert (request["name"], request["parent_span"]) == ("GET /v1/account", SPAN)
        assert request["attributes"]["http.response.status_code"] == 200
        assert service.stop()[0] == 0


@pytest.mark.timeout(120)
def test_a_collector_that_is_away_holds_up_nothing_not_even_the_end() -> None:
    with installation(settings={"LEDGERMAIL_OTLP": "http://127.0.0.1:1"}) as service:
        service.start()
        ann = Person(service.url, "ann@example.test")
        Sender(service.smtp, "untraced", [ann.address], mails=5).start().wait(30)
        until(lambda: len(ann.messages("INBOX")) == 5, within_s=30)
        code, stop_s = service.stop()
        assert code == 0
        assert stop_s < 10


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys, infra.serving.child, infra.serving.http_door, infra.serving.mail_doors, infra.serving.following;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert loaded.stdout == "[]\n"
