"""One process of the service: its roles in threads, until it is told to stop or its supervisor is gone.

Standard output is for the supervisor: one JSON line a role that is ready, `{"role": …, "address": …}`, and one for what
only an operator can mend, `{"unmendable": …}`; standard input ends when the supervisor does. A role that fails ends the
process, which the supervisor starts again.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from infra.composition import Parts
from infra.operator_errors import OperatorError
from infra.seldom_collecting import collect_seldom
from infra.serving.exit_codes import UNMENDABLE
from infra.serving.giving_way import give_way
from infra.serving.role_names import PATIENT
from infra.serving.roles import role
from infra.settings import load

_log = logging.getLogger("ledgermail")


def main(roles: Sequence[str]) -> int:
    """Play the roles; the exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), name="supervised", daemon=True).start()
    if PATIENT.issuperset(roles):
        give_way()
    try:
        with Parts(load(os.environ)) as parts:
            _prepare(parts)
            collect_seldom()
            return _play(parts, roles, stop)
    except OperatorError as error:
        _say({"unmendable": " ".join(str(error).split())})
        return UNMENDABLE


def _prepare(parts: Parts) -> None:
    """Make what the roles share in this one thread, as the composition asks."""
    parts.ensure_operator()
    for name in ("keys", "blobs", "announcer", "lane", "recorder", "reader", "directory", "pool", "queue"):
        getattr(parts, name)


def _play(parts: Parts, roles: Sequence[str], stop: threading.Event) -> int:
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_run_role, args=(name, parts, stop, failures), name=name) for name in roles]
    threads.append(threading.Thread(target=parts.look_after_database, args=(stop,), name="postgres"))
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
