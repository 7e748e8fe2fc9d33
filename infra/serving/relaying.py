"""The role that takes mail to other hosts, on an event loop of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import uvloop

from infra.composition import Parts
from infra.relay.parts import RelayParts, run_relay
from infra.serving.roles import Ready

THREADS = 12


def relay(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Relay what is due until `stop`."""
    with closing(RelayParts(parts)) as made, ThreadPoolExecutor(THREADS, thread_name_prefix="relay") as executor:
        uvloop.run(run_relay(made, executor, stop, lambda: ready("")))
