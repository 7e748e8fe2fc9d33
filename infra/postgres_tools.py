"""pg_dump and pg_restore of the installed wheel, on any server that this process reaches."""

import os
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.backup_files import BackupError
from infra.postgres_account import installed_wheel


def dump(conninfo: str, file: Path) -> None:
    """Write the database into a file, as of one moment; the server goes on meanwhile.

    Raises:
        BackupError: what pg_dump said.
    """
    _run("pg_dump", conninfo, "--format=custom", "--compress=gzip:1", "--no-owner", "--no-privileges", f"--file={file}")


def restore(conninfo: str, file: Path) -> None:
    """Fill an empty database from a file: wholly or not at all.

    Raises:
        BackupError: what pg_restore said.
    """
    _run("pg_restore", conninfo, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(file))


def _run(program: str, conninfo: str, *arguments: str) -> None:
    """The password goes by the environment: everybody may read a command line."""
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    command = [str(installed_wheel().programs / program), f"--dbname={make_conninfo('', **parts)}", *arguments]
    finished = subprocess.run(  # noqa: S603 - the wheel's own program, no shell
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise BackupError(f"{program} failed: {' '.join(finished.stderr.split())[-800:]}")
