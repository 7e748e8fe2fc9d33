"""An rspamd: the machine's own program and rules, its own configuration, and nothing that asks the internet."""

import shutil
import signal
import socket
from pathlib import Path

from scripts.stack_servers import tools
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

RULES = "/etc/rspamd/rspamd.conf"
_ASKS_OTHERS = (
    *("rbl", "surbl", "fuzzy_check", "asn", "rspamd_update", "url_redirector", "phishing", "neural", "clickhouse"),
    *("greylist", "ratelimit", "dcc", "p0f", "mx_check", "history_redis", "bimi", "redis"),
    *("spf", "dkim", "dkim_signing", "dmarc", "arc", "mid", "hfilter"),
)
"""Modules that ask servers that are not there, and those that look at what ledgermail itself has looked at."""
_OFF = "enabled = false;\n"
_ASK_S = 2.0


class Rspamd:
    """The server `rspamd`."""

    name = "rspamd"
    purposes = ("rspamd",)
    ask_with = signal.SIGTERM

    def install(self, place: Place) -> None:
        """Debian's package, where the machine has none."""
        tools.require("rspamd", debian="rspamd", place=place)

    def command(self, place: Place) -> Command:
        """Debian's configuration, with a folder of its own for what is to be otherwise, and to stay in front."""
        local = place.folder / "conf" / "local.d"
        for folder in (local, place.folder / "db", place.folder / "run"):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name, text in _configuration(place).items():
            (local / name).write_text(text)
        places = {"LOCAL_CONFDIR": "conf", "DBDIR": "db", "LOGDIR": ".", "RUNDIR": "run"}
        variables = [f"--var={name}={place.folder / folder}" for name, folder in places.items()]
        program = shutil.which("rspamd") or "rspamd"
        return Command((program, "--no-fork", "--insecure", f"--config={RULES}", *variables))

    def is_ready(self, place: Place) -> bool:
        """Whether it answers."""
        with socket.create_connection((LOOPBACK, place.ports["rspamd"]), timeout=_ASK_S) as connection:
            connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            return b"200" in connection.recv(64)

    def variables(self, place: Place) -> dict[str, str]:
        """Where it is."""
        return {"LEDGERMAIL_RSPAMD": f"http://{LOOPBACK}:{place.ports['rspamd']}"}


def _configuration(place: Place) -> dict[str, str]:
    endings = place.folder / "endings"
    endings.write_text("com\nnet\norg\ntest\n")  # the list that it comes with takes it a minute to read
    return {f"{module}.conf": _OFF for module in _ASKS_OTHERS} | {
        "options.inc": _options(endings),
        "worker-normal.inc": f'bind_socket = "{LOOPBACK}:{place.ports["rspamd"]}";\ncount = 1;\n',
        "worker-controller.inc": _OFF,
        "worker-proxy.inc": _OFF,
        "worker-fuzzy.inc": _OFF,
        "classifier-bayes.conf": _OFF,
        "logging.inc": 'type = "console";\nlevel = "notice";\n',
    }


def _options(endings: Path) -> str:
    return (
        f'dns {{ nameserver = ["{LOOPBACK}:9"]; timeout = 0.1s; retransmits = 1; }}\n'
        f'task_timeout = 5s;\nlocal_addrs = [];\nurl_tld = "{endings}";\n'
    )
