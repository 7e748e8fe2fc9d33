"""A real postfix on loopback: Debian's programs with a configuration, a queue and a log of the test's own.

It takes mail for `far.test` by STARTTLS, DSN, PIPELINING and SMTPUTF8 into maildirs, and hands mail for `example.test`
to one port. `late@far.test` is taken and bounces afterwards. Nothing of the machine's own postfix is read or changed.
"""

import os
import pwd
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from tests.certificates import self_signed
from tests.system.service import until

PROGRAM = "/usr/sbin/postfix"
_USERS = ("zoe", "zoë", "yan", "late")
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.far.test
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtputf8_enable = yes
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_forbid_bare_newline = no
smtp_tls_security_level = may
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_reject_unlisted_recipient = yes
virtual_mailbox_domains = far.test
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = texthash:{folder}/transport
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One that runs. `port` is where it takes mail."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def mails(self, user: str) -> list[EmailMessage]:
        """What lies in the user's maildir."""
        found = sorted((self.folder / "mail" / user / "new").glob("*"))
        return [message_from_bytes(path.read_bytes(), policy=default) for path in found]

    @property
    def log(self) -> str:
        """What it has said."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def waiting(self) -> str:
        """Its queue as it shows it."""
        return self._run("postqueue", "-c", str(self.folder), "-j").stdout

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)


@contextmanager
def postfix(folder: Path, *, port: int, next_port: int) -> Iterator[Postfix]:
    """It runs at `port`, with `example.test` at `next_port`; afterwards it is gone."""
    made = _configured(folder, port, next_port)
    try:
        subprocess.run([PROGRAM, "-c", folder, "start"], capture_output=True, text=True, timeout=120, check=True)
        until(lambda: _answers(made.port), within_s=60, what="postfix answers")
        yield made
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"{error.stdout}{error.stderr}{made.log}") from error
    finally:
        subprocess.run([PROGRAM, "-c", folder, "stop"], capture_output=True, timeout=120, check=False)


def _configured(folder: Path, port: int, next_port: int) -> Postfix:
    owner = pwd.getpwnam("postfix")
    for name in ("queue", "data", "mail"):
        (folder / name).mkdir(mode=0o755)
    os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
    shutil.chown(folder / "mail", "nobody", "nogroup")
    self_signed(folder)
    nobody = pwd.getpwnam("nobody")
    (folder / "main.cf").write_text(_MAIN.format(folder=folder, uid=nobody.pw_uid, gid=nobody.pw_gid))
    (folder / "master.cf").write_text(_MASTER.format(port=port))
    (folder / "mailboxes").write_text("".join(f"{user}@far.test {user}/\n" for user in _USERS))
    late = "late@far.test error:5.1.1 this mailbox is gone\n"
    (folder / "transport").write_text(f"{late}example.test smtp:[127.0.0.1]:{next_port}\n")
    return Postfix(folder, port)


def _answers(port: int) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            return client.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False
