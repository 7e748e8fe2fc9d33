"""Dovecot's LMTP as a peer, where it is installed: on loopback, a configuration of its own, every mail flushed."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 15.0
SETTINGS = "Maildir, mail_fsync=always, passdb and userdb static, no TLS, no index of a search"

_CONFIGURATION = """\
base_dir = {run}
state_dir = {run}
log_path = {folder}/log
protocols = lmtp
ssl = no
mail_fsync = always
mail_location = maildir:{folder}/mail/%n
first_valid_uid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login}
auth_username_format = %Ln
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service lmtp {{
  process_limit = 20
  client_limit = 1
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


class DovecotError(Exception):
    """It is installed and does not start."""


def is_installed() -> bool:
    """Whether there is a dovecot with LMTP."""
    return shutil.which("dovecot") is not None and any(
        Path(folder, "lmtp").exists() for folder in ("/usr/lib/dovecot", "/usr/libexec/dovecot")
    )


@contextmanager
def dovecot(folder: Path) -> Iterator[tuple[int, int]]:
    """Dovecot with its mail below `folder`: the port of LMTP, and the first process. Raises: DovecotError."""
    port = _free_port()
    configuration = _configured(folder, port)
    log = (folder / "started").open("w")
    command = ["dovecot", "-F", "-c", str(configuration)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
    try:
        _wait_for(port, process, folder)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        log.close()


def _configured(folder: Path, port: int) -> Path:
    run, mail = folder / "run", folder / "mail"
    for one in (folder, run, mail):
        one.mkdir(parents=True, exist_ok=True)
        one.chmod(0o755)
    own = pwd.getpwuid(os.getuid())
    as_root = os.getuid() == 0
    user = pwd.getpwnam("nobody") if as_root else own
    if as_root:
        os.chown(mail, user.pw_uid, user.pw_gid)
    path = folder / "dovecot.conf"
    path.write_text(
        _CONFIGURATION.format(
            folder=folder,
            run=run,
            port=port,
            uid=user.pw_uid,
            gid=user.pw_gid,
            user="dovecot" if as_root else own.pw_name,
            group="dovecot" if as_root else own.pw_name,
            login="dovenull" if as_root else own.pw_name,
        )
    )
    return path


def _wait_for(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > until:
                said = [*_lines(folder / "started"), *_lines(folder / "log")][-3:]
                raise DovecotError(f"dovecot does not start: {' | '.join(said)}") from error
            time.sleep(0.1)
        else:
            return


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
