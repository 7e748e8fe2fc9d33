"""The servers that `scripts/test --servers` brought up: they answer, and every setting that picks them is told."""

import os

import pytest

from scripts.stack_servers.__main__ import SERVERS
from scripts.stack_servers.folders import folders
from scripts.stack_servers.processes import running
from scripts.stack_servers.server import Server
from scripts.stack_servers.stack import Stack

pytestmark = pytest.mark.servers
PICKED = {
    "LEDGERMAIL_DATABASE_URL",
    "LEDGERMAIL_KAFKA",
    "LEDGERMAIL_OPENSEARCH",
    "LEDGERMAIL_S3_ENDPOINT",
    "LEDGERMAIL_S3_BUCKET",
    "LEDGERMAIL_S3_REGION",
    "LEDGERMAIL_S3_ACCESS_KEY",
    "LEDGERMAIL_S3_SECRET_KEY",
    "LEDGERMAIL_REDIS",
    "LEDGERMAIL_CLAMD",
    "LEDGERMAIL_RSPAMD",
    "LEDGERMAIL_QUEUE",
    "LEDGERMAIL_SEARCH",
    "LEDGERMAIL_BLOBS",
    "LEDGERMAIL_CACHE",
    "LEDGERMAIL_KEYS",
}


@pytest.fixture
def stack() -> Stack:
    return Stack(folders(os.environ), SERVERS, lambda _server, _what: None)


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_server_runs_and_answers(stack: Stack, server: Server) -> None:
    place = stack.place(server)
    assert running(place.record) is not None
    assert server.is_ready(place)


def test_every_setting_of_the_profile_is_told(stack: Stack) -> None:
    told = stack.variables([server.name for server in SERVERS])
    assert set(told) == PICKED
    assert all(os.environ[f"LEDGERMAIL_TEST_{name.removeprefix('LEDGERMAIL_')}"] == told[name] for name in told)


def test_no_secret_lies_open_to_other_users(stack: Stack) -> None:
    secrets = [stack.place(server).folder / name for server in SERVERS for name in ("secret", "password", "redis.conf")]
    found = [path for path in secrets if path.exists()]
    assert len(found) == 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in found)
