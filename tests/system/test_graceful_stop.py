"""The service as its operator stops and starts it: soon, whole, from anywhere, by anyone; and told no in one line."""

import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from infra.embedded_postgres import EmbeddedPostgres
from tests.conftest import temporary_data_folder
from tests.system.http_crowd import Commander, Person
from tests.system.service import REPOSITORY, SERVE, Service, installation, until
from tests.system.service_checks import (
    assert_each_command_is_there_once,
    assert_each_mail_is_there_once,
    assert_logs_hold,
    wait_until_settled,
)
from tests.system.smtp_crowd import Sender

STOP_S = 10.0
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def stop_under_load(service: Service, number: signal.Signals) -> None:
    """Mail comes in and commands run; the service is stopped and started again, and nothing is missing."""
    ann, bob = (Person(service.url, f"{name}{number.name.lower()}@example.test") for name in ("ann", "bob"))
    senders = [Sender(service.smtp, f"{number.name}{n}", [ann.address], size=lambda: 20_000).start() for n in range(4)]
    commander = Commander(ann, bob.address, f"c{number.name.lower()}").start()
    taken = (commander.done, *(sender.acknowledged for sender in senders))
    until(lambda: all(len(one) > 3 for one in taken), within_s=60, what="all are at work")
    code, stop_s = service.stop(number)
    assert (code, service.processes()) == (0, {})
    assert stop_s < STOP_S
    assert "killed" not in service.said()
    service.start()
    for one in (*senders, commander):
        one.finish(30)
    wait_until_settled(service)
    assert assert_each_mail_is_there_once(ann, senders) == sum(len(sender.acknowledged) for sender in senders)
    assert_each_command_is_there_once(commander, bob)


@pytest.mark.timeout(180)
def test_sigterm_and_sigint_under_load_end_the_service_whole_and_it_comes_back() -> None:
    with installation() as service:
        service.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            stop_under_load(service, number)
        assert_logs_hold(service)
        assert service.stop()[0] == 0


@pytest.mark.timeout(120)
def test_a_reader_who_waits_and_an_idle_sender_do_not_hold_the_end_up() -> None:
    with installation() as service:
        service.start()
        ann = Person(service.url, "ann@example.test")
        head = ann.get("/v1/account")["head_seq"]
        headers = {"Accept": "text/event-stream"}
        with (
            ann.http.stream("GET", "/v1/sync", params={"since": head}, headers=headers) as live,
            socket.create_connection(("127.0.0.1", service.smtp)) as idle,
        ):
            assert live.status_code == 200
            assert idle.recv(100).startswith(b"220 ")
            code, stop_s = service.stop()
            assert b"".join(iter(lambda: idle.recv(100), b"")).startswith(b"421 4.3.2 ")
        assert code == 0
        assert stop_s < STOP_S


@as_root
@pytest.mark.timeout(120)
def test_an_ordinary_user_serves_from_anywhere() -> None:
    user = pwd.getpwnam("nobody")
    # Reading is granted, as the interpreter of a test may lie in root's own folder; nothing else is.
    reading = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    become = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *reading)
    with temporary_data_folder() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        anywhere = {"PYTHONPATH": str(REPOSITORY), "HOME": "/nonexistent"}
        with installation(folder / "data", cwd=Path("/"), before=become, settings=anywhere) as service:
            serve_once(service, owner=user.pw_uid)


def serve_once(service: Service, *, owner: int) -> None:
    service.start()
    ann = Person(service.url, "ann@example.test")
    Sender(service.smtp, "s", [ann.address], mails=1).start().wait(30)
    until(lambda: ann.messages("INBOX"), within_s=30)
    assert (service.data / "keys" / "master.key").stat().st_uid == owner
    code, stop_s = service.stop()
    assert code == 0
    assert stop_s < STOP_S


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"LEDGERMAIL_HTTP": "nowhere"}, "LEDGERMAIL_HTTP: "),
        ({"LEDGERMAIL_RETENTION": "soon"}, "LEDGERMAIL_RETENTION: "),
        ({"LEDGERMAIL_DOMAIN": "example.test"}, "LEDGERMAIL_DOMAIN: no such setting, did you mean LEDGERMAIL_DOMAINS?"),
        ({"LEDGERMAIL_DATA": "/etc/hostname/x"}, "LEDGERMAIL_DATA: /etc/hostname/x cannot be made: "),
        ({"LEDGERMAIL_DATA": "/proc/x"}, "LEDGERMAIL_DATA: /proc/x cannot be made: "),
        ({"LEDGERMAIL_DATA": "/etc/hostname"}, "LEDGERMAIL_DATA: /etc/hostname cannot be made: "),
        ({"LEDGERMAIL_TLS_CERT": "/dev/null", "LEDGERMAIL_TLS_KEY": "/dev/null"}, "LEDGERMAIL_TLS_CERT"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start_with_one_line(settings: dict[str, str], said: str) -> None:
    with installation(settings=settings) as service:
        ended = service.run("serve", within_s=60)
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ledgermail: ")]
        lines = [line for line in lines if "made the master key" not in line]
        assert ended.returncode != 0
        assert len(lines) == 1, ended.stderr
        assert lines[0].startswith(f"ledgermail: {said}")
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""
        assert service.processes() == {}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("path", "query", "why"), [("/none", "", "does not exist"), ("", "sslmode=x", "invalid sslmode")]
)
def test_a_database_that_refuses_or_can_be_none_stops_the_start_with_one_line(
    postgres_url: str, path: str, query: str, why: str
) -> None:
    url = urlsplit(postgres_url)
    url = url._replace(path=path or url.path, query="&".join(filter(None, (url.query, query))))
    with installation(settings={"LEDGERMAIL_DATABASE_URL": urlunsplit(url)}) as service:
        ended = service.run("serve", within_s=60)
        (line,) = ended.stderr.splitlines()
        assert line.startswith("ledgermail: the database does not answer: ")
        assert why in line
        assert (ended.returncode, ended.stdout, service.processes()) == (1, "", {})


@pytest.mark.timeout(120)
def test_a_database_that_is_not_there_yet_is_named_in_one_line_and_waited_for() -> None:
    with temporary_data_folder() as folder, EmbeddedPostgres(folder) as postgres:
        url = postgres.start()
        postgres.stop()
        with installation(settings={"LEDGERMAIL_DATABASE_URL": url}) as service:
            service.launch()
            until(lambda: "ledgermail: the database does not answer: " in service.said(), within_s=30)
            postgres.start()
            service.wait_ready()
            told = [line for line in service.said().splitlines() if "(waiting for it)" in line]
            assert len(told) == 1
            assert service.stop()[0] == 0


@pytest.mark.timeout(120)
def test_a_service_that_waits_for_its_database_stops_at_once_and_other_commands_do_not_wait() -> None:
    nobody = {"LEDGERMAIL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with installation(settings=nobody) as service:
        assert service.run("account", "list").stderr.startswith("ledgermail: the database does not answer: ")
        service.launch()
        until(lambda: "(waiting for it)" in service.said(), within_s=30)
        code, stop_s = service.stop()
        assert code == 0
        assert stop_s < STOP_S


@pytest.mark.parametrize("command", [("account", "list"), ("migrate",), ("verify",)])
def test_a_data_folder_that_cannot_be_made_stops_every_command_with_one_line(command: tuple[str, ...]) -> None:
    with installation(settings={"LEDGERMAIL_DATA": "/etc/hostname/x"}) as service:
        ended = service.run(*command, within_s=60)
        assert ended.returncode == 2
        assert ended.stderr == "ledgermail: LEDGERMAIL_DATA: /etc/hostname/x cannot be made: Not a directory\n"


def test_a_port_that_somebody_else_holds_stops_the_start_and_is_named() -> None:
    with installation() as service, socket.create_server(("127.0.0.1", service.smtp)):
        ended = service.run("serve", within_s=60)
        assert ended.returncode == 1
        assert f"cannot listen on 127.0.0.1:{service.smtp} for SMTP: Address already in use" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_command_is_the_same_as_the_module() -> None:
    command = Path(sys.executable).with_name("ledgermail")
    assert subprocess.run([command, "serve", "--help"], capture_output=True, check=True, cwd="/").stdout == (
        subprocess.run([*SERVE, "--help"], capture_output=True, check=True, cwd=REPOSITORY).stdout
    )
