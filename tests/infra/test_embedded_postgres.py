"""The embedded Postgres: started once, adopted by others, stopped by the last, recovered after a crash."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from infra.embedded_postgres import EmbeddedPostgres, PostgresError
from infra.postgres_account import SHARED_FOLDER, Account, server_programs
from infra.postgres_cluster import LONGEST_SOCKET_PATH

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from infra.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    print(postgres.start(), flush=True)
    sys.stdin.readline()
"""
NOBODY = Account(65534, 65534)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="what only root can do")


@contextmanager
def another_process(data_folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that uses the server until its standard input ends, and the URL that it was given."""
    command = [sys.executable, "-c", HOLDER, str(data_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0]
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.communicate(timeout=60)


@contextmanager
def a_process_of_nobody(data_folder: Path) -> Iterator[str]:
    """What an ordinary user's process gets: the URL, or the error. Forked: that user may not reach our interpreter."""
    server_programs(NOBODY)
    (answer, tell), (wait, go) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.setgroups([])
        os.setgid(NOBODY.gid)
        os.setuid(NOBODY.uid)
        postgres = EmbeddedPostgres(data_folder)
        try:
            os.write(tell, postgres.start().encode())
            os.read(wait, 1)
            postgres.stop()
        except PostgresError as error:
            os.write(tell, str(error).encode())
        finally:
            os._exit(0)
    try:
        os.close(tell)
        yield os.read(answer, 10_000).decode()
    finally:
        for end in (go, wait, answer):
            os.close(end)
        os.waitpid(child, 0)


def postmaster(url: str) -> int:
    socket = Path(parse_qs(urlsplit(url).query)["host"][0])
    return int((socket / ".s.PGSQL.5432.lock").read_text().split("\n", 1)[0])


def running(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """A data folder with a stopped cluster: making one takes a second, copying it a tenth."""
    with temporary_data_folder() as folder:
        with EmbeddedPostgres(folder) as postgres:
            postgres.start()
        yield folder


@contextmanager
def temporary_data_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ledgermail-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def data_folder(made_once: Path) -> Iterator[Path]:
    """A data folder with a cluster of its own."""
    with temporary_data_folder() as folder:
        subprocess.run(["cp", "-a", made_once / "postgres", folder], check=True)
        yield folder


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """A data folder before the first start."""
    with temporary_data_folder() as folder:
        yield folder


def write(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def words(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY word")]


def test_what_was_written_is_there_after_a_stop_and_a_start(empty_folder: Path) -> None:
    with EmbeddedPostgres(empty_folder) as postgres:
        write(url := postgres.start(), "kept")
    assert not running(url)
    with EmbeddedPostgres(empty_folder) as postgres:
        assert words(postgres.start()) == ["kept"]


def test_the_server_listens_on_a_socket_of_its_user_only_and_has_a_session_of_its_own(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        url = postgres.start()
        socket = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert socket.stat().st_mode & 0o777 == 0o700
        assert os.getsid(postmaster(url)) != os.getsid(0)
        with psycopg.connect(url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_second_process_adopts_the_server_and_the_last_one_out_stops_it(data_folder: Path) -> None:
    first = EmbeddedPostgres(data_folder)
    url = first.start()
    with another_process(data_folder) as (_process, others_url):
        assert postmaster(others_url) == postmaster(url)
        first.stop()
        assert running(others_url)
    assert not running(url)


def test_who_is_stopping_adopts_a_server_that_runs_and_starts_none_that_does_not(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as other, EmbeddedPostgres(data_folder, is_stopping=lambda: True) as stopping:
        url = stopping.start()
        assert url == other.start()
    with pytest.raises(PostgresError, match=r"^the embedded Postgres in [^ ]+ is not started any more$"):
        EmbeddedPostgres(data_folder, is_stopping=lambda: True).start()
    assert not running(url)


def test_two_holds_in_one_process_are_two(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as outer:
        with EmbeddedPostgres(data_folder):
            pass
        assert running(outer.start())


def test_processes_that_start_at_once_share_one_server(empty_folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(empty_folder)]
    with ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        processes = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(4)]
        urls = [process.stdout.readline().strip() for process in processes]
        assert len({postmaster(url) for url in urls}) == 1
        for process in processes:
            process.communicate(timeout=60)
    assert not running(urls[0])


@as_root
def test_processes_that_start_at_once_in_a_folder_that_postgres_cannot_reach_share_one_server(
    empty_folder: Path,
) -> None:
    empty_folder.chmod(0o700)
    before = set(SHARED_FOLDER.glob("postgres-*"))
    test_processes_that_start_at_once_share_one_server(empty_folder)
    made = (empty_folder / "postgres").readlink()
    try:
        assert not (empty_folder / "postgres.moved").exists()
        assert [path for path in SHARED_FOLDER.glob("postgres-*") if _says(path, empty_folder)] == [made]
        assert made not in before
    finally:
        shutil.rmtree(made)


def _says(home: Path, data_folder: Path) -> bool:
    name = home / "data-folder"
    return name.exists() and name.read_text() == f"{data_folder}\n"


def test_a_killed_process_holds_nothing_and_its_server_is_adopted(data_folder: Path) -> None:
    with another_process(data_folder) as (process, url):
        before = postmaster(url)
        process.kill()
        process.wait()
        with EmbeddedPostgres(data_folder) as postgres:
            assert postmaster(postgres.start()) == before
    assert not running(url)


def test_a_forked_child_that_stops_leaves_its_parents_server_alone(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        url = postgres.start()
        child = os.fork()
        if child == 0:
            postgres.stop()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert running(url)
    assert not running(url)


def test_after_kill_9_of_everything_the_next_start_recovers_what_was_committed(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        write(url := postgres.start(), "committed")
        postgres.kill()
        assert not running(url)
        assert (data_folder / "postgres/cluster/postmaster.pid").exists()
        assert words(postgres.start()) == ["committed"]


def test_after_kill_9_of_the_postmaster_alone_its_orphans_do_not_stand_in_the_way(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        write(url := postgres.start(), "committed")
        busy = psycopg.connect(url)
        busy.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
        os.kill(postmaster(url), signal.SIGKILL)
        assert words(postgres.start()) == ["committed"]
        busy.close()


def test_a_stale_process_id_that_another_program_bears_by_now_is_seen_through(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        write(postgres.start(), "committed")
        postgres.kill()
        stale = data_folder / "postgres/cluster/postmaster.pid"
        lines = stale.read_text().split("\n")
        stale.write_text("\n".join([str(os.getpid()), *lines[1:]]))
        assert words(postgres.start()) == ["committed"]


def test_an_interrupted_initdb_is_begun_again(data_folder: Path) -> None:
    cluster = data_folder / "postgres/cluster"
    cluster.rename(cluster.with_name("cluster.new"))
    with EmbeddedPostgres(data_folder) as postgres:
        assert running(postgres.start())


def test_data_of_another_major_version_is_refused_in_one_line(data_folder: Path) -> None:
    (data_folder / "postgres/cluster/PG_VERSION").write_text("17\n")
    with pytest.raises(PostgresError, match=r"made by PostgreSQL 17.*install 'embedded-postgres>=17,<18'") as raised:
        EmbeddedPostgres(data_folder).start()
    assert "\n" not in str(raised.value)


def test_a_server_that_cannot_start_names_the_reason_and_the_log(data_folder: Path) -> None:
    with (data_folder / "postgres/cluster/postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = 'many'\n")
    with pytest.raises(PostgresError, match=r"shared_buffers.*log: .*/postgres/log"):
        EmbeddedPostgres(data_folder).start()


def test_a_data_folder_with_a_long_path_has_its_socket_elsewhere(empty_folder: Path) -> None:
    folder = empty_folder / ("x" * LONGEST_SOCKET_PATH)
    with EmbeddedPostgres(folder) as postgres:
        url = postgres.start()
        assert running(url)
        socket = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert socket.parent == Path(tempfile.gettempdir())
        assert socket.stat().st_mode & 0o777 == 0o700
    assert not socket.exists()


def test_a_data_folder_that_was_moved_is_found_again(empty_folder: Path) -> None:
    with EmbeddedPostgres(empty_folder / "here") as postgres:
        write(postgres.start(), "moved")
    (empty_folder / "here").rename(empty_folder / "there")
    with EmbeddedPostgres(empty_folder / "there") as postgres:
        assert words(postgres.start()) == ["moved"]


def test_a_variable_of_libpq_in_the_environment_changes_nothing(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "6543", "PGDATA": "/nowhere", "PGUSER": "nobody", "PGDATABASE": "none"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(data_folder) as postgres:
        assert running(postgres.start())


@as_root
def test_as_root_the_server_runs_as_a_system_user_and_no_folder_above_is_opened(empty_folder: Path) -> None:
    empty_folder.chmod(0o700)
    with EmbeddedPostgres(empty_folder) as postgres:
        write(postgres.start(), "kept")
    link = empty_folder / "postgres"
    elsewhere = link.readlink()
    try:
        assert elsewhere.parent == SHARED_FOLDER
        assert (elsewhere / "data-folder").read_text() == f"{empty_folder}\n"
        assert elsewhere.stat().st_mode & 0o777 == 0o700
        assert empty_folder.stat().st_mode & 0o777 == 0o700
        with EmbeddedPostgres(empty_folder) as postgres:
            url = postgres.start()
            assert words(url) == ["kept"]
            assert os.stat(f"/proc/{postmaster(url)}").st_uid != 0
    finally:
        shutil.rmtree(elsewhere)


@as_root
def test_as_root_data_whose_folder_was_closed_meanwhile_moves_to_where_its_user_can_reach_it(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        write(postgres.start(), "kept")
    data_folder.chmod(0o700)
    with EmbeddedPostgres(data_folder) as postgres:
        assert words(postgres.start()) == ["kept"]
    shutil.rmtree((data_folder / "postgres").readlink())


def test_a_link_that_leads_nowhere_is_refused_rather_than_begun_anew(empty_folder: Path) -> None:
    (empty_folder / "postgres").symlink_to("/nowhere")
    with pytest.raises(PostgresError, match="leads to /nowhere, which is gone"):
        EmbeddedPostgres(empty_folder).start()


@as_root
def test_data_of_an_ordinary_user_is_served_as_that_user_to_root_too(empty_folder: Path) -> None:
    os.chown(empty_folder, NOBODY.uid, NOBODY.gid)
    with a_process_of_nobody(empty_folder) as url:
        write(url, "his")
        with EmbeddedPostgres(empty_folder) as postgres:
            assert postmaster(postgres.start()) == postmaster(url)
    with EmbeddedPostgres(empty_folder) as postgres:
        url = postgres.start()
        assert words(url) == ["his"]
        assert os.stat(f"/proc/{postmaster(url)}").st_uid == NOBODY.uid
    with a_process_of_nobody(empty_folder) as url:
        assert running(url)


@as_root
def test_data_that_belongs_to_somebody_else_is_refused_in_one_line(data_folder: Path) -> None:
    with a_process_of_nobody(data_folder) as answer:
        assert answer.startswith("the database belongs to user id")


def test_a_server_that_died_is_started_again_once_however_many_look_after_it(data_folder: Path) -> None:
    stop = threading.Event()
    with ExitStack() as stack:
        servers = [stack.enter_context(EmbeddedPostgres(data_folder)) for _ in range(2)]
        url = servers[0].start()
        looking = [threading.Thread(target=one.look_after, args=(stop,), kwargs={"every_s": 0.05}) for one in servers]
        for thread in looking:
            thread.start()
        before = postmaster(url)
        servers[0].kill()
        deadline = time.monotonic() + 60
        while not running(url):
            assert time.monotonic() < deadline
        assert postmaster(url) != before
        stop.set()
        for thread in looking:
            thread.join(60)
        assert not any(thread.is_alive() for thread in looking)
    assert not running(url)


def test_who_looks_after_a_server_goes_on_after_a_start_that_failed(data_folder: Path) -> None:
    stop = threading.Event()
    with EmbeddedPostgres(data_folder) as postgres:
        url = postgres.start()
        version = data_folder / "postgres" / "cluster" / "PG_VERSION"
        kept = version.read_text()
        version.write_text("1\n")
        postgres.kill()
        with pytest.raises(PostgresError):
            postgres.start()
        looking = threading.Thread(target=postgres.look_after, args=(stop,), kwargs={"every_s": 0.05})
        looking.start()
        version.write_text(kept)
        deadline = time.monotonic() + 60
        while not running(url):
            assert time.monotonic() < deadline
        stop.set()
        looking.join(60)
        assert not looking.is_alive()
    assert not running(url)


@as_root
def test_as_root_data_in_use_is_not_moved_from_under_its_server(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        url = postgres.start()
        data_folder.chmod(0o700)
        with pytest.raises(PostgresError, match="a process still uses it"):
            EmbeddedPostgres(data_folder).start()
        data_folder.chmod(0o711)
        write(url, "kept")


@as_root
@pytest.mark.parametrize("linked", [False, True], ids=["before the link was made", "before the old folder went"])
def test_as_root_a_move_that_was_killed_is_put_right(data_folder: Path, *, linked: bool) -> None:
    with EmbeddedPostgres(data_folder) as postgres:
        write(postgres.start(), "kept")
    home, moved = data_folder / "postgres", data_folder / "postgres.moved"
    elsewhere = data_folder / "elsewhere"
    if linked:
        shutil.copytree(home, moved, symlinks=True)
        home.rename(elsewhere)
        home.symlink_to(elsewhere)
    else:
        home.rename(moved)
    with EmbeddedPostgres(data_folder) as postgres:
        assert words(postgres.start()) == ["kept"]
    assert not moved.exists()


def test_a_server_that_is_killed_between_the_connection_and_its_first_question_is_started_again(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, to_come = psycopg.connect, [True]
    with EmbeddedPostgres(data_folder) as postgres:

        def connect_and_die(*arguments: Any, **options: Any) -> Any:
            connection = connect(*arguments, **options)
            if to_come:
                to_come.pop()
                postgres.kill()
            return connection

        monkeypatch.setattr(psycopg, "connect", connect_and_die)
        url = postgres.start()
        with connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert to_come == []
