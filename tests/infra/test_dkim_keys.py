"""DKIM's private keys in Postgres, and the commands that make, rotate, show and check them."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateways.authentication.dkim_keys import ACTIVE, DkimKey, DkimKeys
from infra.accounts.outages import Connect
from infra.command_line import COMMANDS, run
from infra.dkim_keys import PostgresDkimKeys
from infra.sealing import SealBrokenError
from infra.settings_readers import ListenAddress
from tests.contracts.dkim_keys import FIRST, DkimKeysContract
from tests.dns_zone import Zone, serving

SECRET = bytes(32)
LINE = re.compile(r'^(\S+)\. 3600 IN TXT (".*")$', re.MULTILINE)


def connect_to(url: str) -> Connect:
    return lambda: psycopg.connect(url, autocommit=True)


class TestPostgresDkimKeys(DkimKeysContract):
    @pytest.fixture
    def keys(self, database_url: str) -> DkimKeys:
        return PostgresDkimKeys(connect_to(database_url), SECRET)


def test_the_database_alone_gives_no_key_away(database_url: str) -> None:
    key = DkimKey("a.test", "s", "rsa-sha256", ACTIVE, b"the private octets")
    PostgresDkimKeys(connect_to(database_url), SECRET).add([key])
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT position('private'::bytea IN sealed) FROM dkim_keys").fetchall() == [(0,)]
    with pytest.raises(SealBrokenError):
        PostgresDkimKeys(connect_to(database_url), bytes([1] * 32)).of("a.test")


def test_a_key_moved_to_another_domain_does_not_open(database_url: str) -> None:
    keys = PostgresDkimKeys(connect_to(database_url), SECRET)
    keys.add(FIRST)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE dkim_keys SET domain = 'b.test'")
    with pytest.raises(SealBrokenError):
        keys.of("b.test")


@pytest.fixture
def zone() -> Zone:
    return Zone({"mx.example.test": [("A", "192.0.2.1")]})


@pytest.fixture
def server(
    zone: Zone, database_url: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ListenAddress]:
    with serving(zone) as address:
        monkeypatch.setenv("LEDGERMAIL_DATABASE_URL", database_url)
        monkeypatch.setenv("LEDGERMAIL_DATA", str(data_folder))
        monkeypatch.setenv("LEDGERMAIL_HOSTNAME", "mx.example.test")
        monkeypatch.setenv("LEDGERMAIL_DNS", str(address))
        yield address


class Ledgermail:
    """The command line, and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            run(arguments, commands=COMMANDS)
        said = self._capsys.readouterr()
        return int(str(ended.value.code or 0)), said.out + said.err


@pytest.fixture
def ledgermail(capsys: pytest.CaptureFixture[str]) -> Ledgermail:
    return Ledgermail(capsys)


def publish(zone: Zone, printed: str) -> None:
    """Every text record that was printed, as a zone file is read."""
    zone.put("example.test", [("MX", (10, "mx.example.test"))])
    for name, value in LINE.findall(printed):
        before = zone.names.get(name, [])
        zone.put(name, [*before, ("TXT", re.findall(r'"([^"]*)"', value))])


@pytest.mark.usefixtures("server")
def test_what_create_prints_satisfies_the_check_once_it_is_published(zone: Zone, ledgermail: Ledgermail) -> None:
    code, printed = ledgermail("dkim", "create", "Example.Test")
    assert code == 0
    assert "v=STSv1" in printed
    code, said = ledgermail("dns", "check", "example.test")
    assert (code, said.count("wrong")) == (1, 7)
    zone.names.pop("example.test", None)
    publish(zone, printed)
    code, said = ledgermail("dns", "check", "example.test")
    assert (code, "wrong" in said) == (0, False), said
    assert ledgermail("dkim", "create", "example.test")[0] == 1


@pytest.mark.usefixtures("server")
def test_rotating_signs_with_the_new_keys_only_once_they_are_published(zone: Zone, ledgermail: Ledgermail) -> None:
    assert ledgermail("dkim", "rotate", "example.test")[0] == 1
    ledgermail("dkim", "create", "example.test")
    code, printed = ledgermail("dkim", "rotate", "example.test")
    assert code == 0
    code, said = ledgermail("dkim", "rotate", "example.test")
    assert (code, "not published yet" in said) == (1, True)
    publish(zone, printed)
    code, said = ledgermail("dkim", "rotate", "example.test")
    assert (code, said.count("retired")) == (0, 2)
    shown = ledgermail("dkim", "show", "example.test")[1]
    assert (shown.count("; active"), shown.count("; retired"), shown.count("v=DKIM1")) == (2, 2, 2)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("v=spf1 -all", "SPF      example.test  fail for 192.0.2.1"),
        ("v=DMARC1; p=nonsense", "DMARC"),
    ],
)
def test_a_record_that_says_something_else_is_found(
    zone: Zone, ledgermail: Ledgermail, change: str, fault: str
) -> None:
    publish(zone, ledgermail("dkim", "create", "example.test")[1])
    name = "example.test" if change.startswith("v=spf1") else "_dmarc.example.test"
    zone.put(name, [*[one for one in zone.names[name] if one[0] == "MX"], ("TXT", change)])
    code, said = ledgermail("dns", "check", "example.test")
    assert (code, f"wrong  {fault}" in said) == (1, True), said


@pytest.mark.usefixtures("server")
def test_keys_are_made_for_our_own_domains_alone(ledgermail: Ledgermail) -> None:
    code, said = ledgermail("dkim", "create", "elsewhere.test")
    assert (code, said) == (1, "ledgermail: elsewhere.test is not one of LEDGERMAIL_DOMAINS\n")
