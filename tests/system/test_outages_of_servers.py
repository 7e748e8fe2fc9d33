"""Servers that are not there yet, go away or hang under a running service: waited out, and named by /readyz."""

import signal
import time
from pathlib import Path

import httpx
import pytest

from infra.embedded_postgres import EmbeddedPostgres
from tests.conftest import temporary_data_folder
from tests.servers import own_s3
from tests.system.http_crowd import Person
from tests.system.service import Service, installation, until
from tests.system.service_checks import assert_each_mail_is_there_once, assert_logs_hold, wait_until_settled
from tests.system.smtp_crowd import Sender

PROBE_S = 5.0
"""A prober of a balancer that waits longer is a rare one."""


def ready(service: Service) -> tuple[int, str, list[str]]:
    """Status, and what is said; however the servers stand it is said soon."""
    began = time.monotonic()
    answer = httpx.get(f"{service.url}/readyz", timeout=30, trust_env=False)
    assert time.monotonic() - began < PROBE_S
    said = answer.json()
    return answer.status_code, said["status"], said["failing"]


def is_ready(service: Service) -> bool:
    return ready(service) == (200, "ready", [])


@pytest.mark.timeout(240)
def test_a_database_that_goes_away_is_named_and_waited_out_and_mail_comes_in_afterwards() -> None:
    with temporary_data_folder() as folder, EmbeddedPostgres(folder) as postgres:
        url = postgres.start()
        with installation(settings={"LEDGERMAIL_DATABASE_URL": url}) as service:
            service.start()
            ann = Person(service.url, "ann@example.test")
            sender = Sender(service.smtp, "s", [ann.address]).start()
            until(lambda: len(sender.acknowledged) > 5, within_s=60)
            postgres.stop()
            until(lambda: "database" in ready(service)[2], within_s=30)
            assert ready(service)[:2] == (503, "not ready")
            assert 'ledgermail_failing{check="database"} 1.0' in ann.http.get("/metrics").text
            before = len(sender.acknowledged)
            postgres.start()
            until(lambda: len(sender.acknowledged) > before + 5, within_s=60)
            until(lambda: is_ready(service), within_s=60)
            sender.finish(60)
            wait_until_settled(service, within_s=120)
            assert assert_each_mail_is_there_once(ann, [sender]) == len(sender.acknowledged)
            assert_logs_hold(service)
            assert service.stop()[0] == 0


@pytest.mark.servers
@pytest.mark.timeout(240)
def test_an_s3_that_is_not_there_yet_is_waited_for_and_one_that_hangs_is_named(tmp_path: Path) -> None:
    with own_s3(tmp_path) as s3:
        variables = s3.variables
        s3.stop()
        with installation(settings=variables) as service:
            service.launch()
            until(lambda: "(waiting for it)" in service.said(), within_s=60)
            s3.start()
            service.wait_ready()
            until(lambda: is_ready(service), within_s=30)
            s3.signal(signal.SIGSTOP)
            status, said, failing = ready(service)
            assert (status, said) == (503, "not ready")
            assert {"keys", "blobs"} <= set(failing)
            assert httpx.get(f"{service.url}/healthz", trust_env=False).status_code == 200
            s3.signal(signal.SIGCONT)
            until(lambda: is_ready(service), within_s=60)
            assert service.stop()[0] == 0
