"""One process of the service: its roles in threads, until it is told to stop or its supervisor is gone.

Standard output is for the supervisor: one JSON line a role that is ready, `{"role": …, "address": …}`, one for a server
that is waited for, `{"waiting": …}`, and one for what only an operator can mend, `{"unmendable": …}`; standard input
ends when the supervisor does. A role that fails ends the
process, which the supervisor starts again.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from infra.composition import Parts
from infra.logs import configure
from infra.operator_errors import OperatorError, ServerAwayError
from infra.seldom_collecting import collect_seldom
from infra.serving.exit_codes import UNMENDABLE
from infra.serving.giving_way import give_way
from infra.serving.role_names import OPERATIONS, PATIENT
from infra.serving.roles import role
from infra.serving.signals import on_signals
from infra.settings import load

if TYPE_CHECKING:
    from infra.tracing import Tracing

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Between two questions whether a server is there by now: each pause twice the one before."""
_log = logging.getLogger("ledgermail")


def main(roles: Sequence[str]) -> int:
    """Play the roles; the exit code."""
    stop = threading.Event()
    on_signals([signal.SIGTERM], stop.set)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), name="supervised", daemon=True).start()
    if PATIENT.issuperset(set(roles) - {OPERATIONS}):
        give_way()
    try:
        settings = load(os.environ)
        configure(settings.log)
        with ExitStack() as closing, Parts(settings, is_stopping=stop.is_set) as parts:
            if settings.otlp is not None:
                parts.tracing = _tracing(settings.otlp, roles)
                closing.callback(parts.tracing.close)
            if not _prepared(parts, stop):
                return 0
            if parts.certificate is not None:
                on_signals([signal.SIGHUP], parts.certificate.read_again)
            collect_seldom()
            return _play(parts, roles, stop)
    except OperatorError as error:
        _say({"unmendable": " ".join(str(error).split())})
        return UNMENDABLE


def _tracing(url: str, roles: Sequence[str]) -> "Tracing":
    """Raises: OperatorError, where what traces need is not installed."""
    try:
        from infra.tracing import Tracing  # 0.3 s and 20 MB: only who asked for it pays
    except ModuleNotFoundError as missing:
        raise OperatorError(f"LEDGERMAIL_OTLP needs {missing.name}: install ledgermail[traces]") from missing
    return Tracing(url, process=f"{socket.gethostname()}:{os.getpid()}:{','.join(roles)}")


def _prepared(parts: Parts, stop: threading.Event) -> bool:
    """Whether the shared parts stand: servers that are not there yet are waited for until `stop`."""
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            _prepare(parts)
        except ServerAwayError as away:
            _say({"waiting": " ".join(str(away).split())})
            stop.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        except OperatorError:
            if not stop.is_set():
                raise
        else:
            return True
    return False


def _prepare(parts: Parts) -> None:
    """Make what the roles share in this one thread, as the composition asks."""
    parts.ensure_operator()
    for name in (
        "keys",
        "blobs",
        "announcer",
        "lane",
        "recorder",
        "reader",
        "directory",
        "pool",
        "queue",
        "certificate",
        "virus",
    ):
        getattr(parts, name)


def _play(parts: Parts, roles: Sequence[str], stop: threading.Event) -> int:
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_run_role, args=(name, parts, stop, failures), name=name) for name in roles]
    threads.append(threading.Thread(target=parts.look_after_database, args=(stop,), name="postgres"))
    if parts.certificate is not None:
        threads.append(threading.Thread(target=parts.certificate.look_after, args=(stop,), name="certificate"))
    if parts.virus is not None:
        threads.append(threading.Thread(target=parts.virus.close_at, args=(stop,), name="scans"))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        if isinstance(failure, OperatorError):
            raise failure
    return 1 if failures else 0


def _run_role(name: str, parts: Parts, stop: threading.Event, failures: list[BaseException]) -> None:
    try:
        role(name)(parts, stop, lambda address: _say_ready(name, address))
        if not stop.is_set():
            raise RuntimeError(f"the role {name} ended by itself")
    except BaseException as failure:  # noqa: BLE001 - the process ends with it, and is started again
        failures.append(failure)
        if not isinstance(failure, OperatorError):
            _log.exception("the role %s failed", name)
    finally:
        stop.set()


def _say_ready(name: str, address: str) -> None:
    _say({"role": name, "address": address})


def _say(said: dict[str, str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the supervisor has gone: the end of standard input will say so
        os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")


def _stop_at_end_of_input(stop: threading.Event) -> None:
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    except OSError:
        _log.warning("standard input cannot be read; the process ends by signals alone")
        return
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
