"""What every test may ask for: a real Postgres, an empty database of its own, a data folder, the mail corpus."""

import importlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from infra.embedded_postgres import EmbeddedPostgres

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
CHROMIUM = Path("/usr/bin/chromium")
HAPROXY = Path("/usr/sbin/haproxy")
SWAKS = Path("/usr/bin/swaks")
PROMTOOL = Path(shutil.which("promtool") or "/usr/bin/promtool")
POSTFIX = Path("/usr/sbin/postfix")
NEEDED = {
    "corpus": CORPUS,
    "browser": CHROMIUM,
    "haproxy": HAPROXY,
    "swaks": SWAKS,
    "promtool": PROMTOOL,
    "postfix": POSTFIX,
}
TEMPLATE = "ledgermail_template"
MEMORY = Path("/dev/shm")  # a file system on which a flush costs nothing: a database a test is 10 times cheaper there
MEMORY_NEEDED_BYTES = 4 * 2**30

_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "corpus: reads the mail corpus beside the repository")
    config.addinivalue_line("markers", "browser: drives /usr/bin/chromium")
    config.addinivalue_line("markers", "haproxy: runs /usr/sbin/haproxy")
    config.addinivalue_line("markers", "swaks: runs /usr/bin/swaks")
    config.addinivalue_line("markers", "promtool: runs promtool, from the path")
    config.addinivalue_line("markers", "postfix: runs /usr/sbin/postfix, which only root can start")
    config.addinivalue_line("markers", "servers: needs the real servers that scripts/test --servers brings up")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without what its marker needs a test is skipped; under CI it fails, so that nothing is left out unseen.

    Those that need real servers run where `scripts/test --servers` was asked for, and are skipped elsewhere.
    """
    if item.get_closest_marker("servers") and "LEDGERMAIL_TEST_SERVERS" not in os.environ:
        pytest.skip("scripts/test --servers runs it")
    if item.get_closest_marker("postfix") and os.geteuid() != 0:
        pytest.skip("only root can start postfix")
    for marker, path in NEEDED.items():
        if item.get_closest_marker(marker) and not path.exists():
            if os.environ.get("CI") == "true":
                pytest.fail(f"{path} is missing", pytrace=False)
            pytest.skip(f"{path} is missing")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of the mail corpus (the test bears `@pytest.mark.corpus`)."""
    return CORPUS


@contextmanager
def temporary_data_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder with a short path that the database's own user can enter (pytest's `tmp_path` is closed to it)."""
    folder = Path(tempfile.mkdtemp(prefix="ledgermail-", dir=parent))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """An empty data folder (`LEDGERMAIL_DATA`), removed afterwards."""
    with temporary_data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that all tests of this process share; databases of their own come from `database_url`.

    Its settings are the product's, `fsync` included; its files are in memory where there is enough of it.
    """
    with temporary_data_folder(MEMORY if _memory_is_roomy() else None) as folder:
        postgres = EmbeddedPostgres(folder)
        try:
            yield postgres.start()
        finally:
            postgres.stop()


def _memory_is_roomy() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    unused_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(shutil.disk_usage(MEMORY).free, unused_bytes) >= MEMORY_NEEDED_BYTES


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """The name of a database that holds the migrated, empty schema."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    if importlib.util.find_spec("infra.migrations"):
        importlib.import_module("infra.migrations").migrate(with_database(postgres_url, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh database with the migrated schema, for one test."""
    with _fresh_database(postgres_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh database with the migrated schema, shared by the tests of one file."""
    with _fresh_database(postgres_url, template) as url:
        yield url


@contextmanager
def _fresh_database(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    identifiers = sql.Identifier(name), sql.Identifier(template)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*identifiers))
    try:
        yield with_database(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifiers[0]))


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
