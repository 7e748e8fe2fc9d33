"""Signals, acted on outside of the interrupted code.

A handler runs in the midst of whatever the main thread does; were that the waiting for an event, setting the event in
the handler would wait for a lock that its own thread holds. `SimpleQueue.put` alone may interrupt itself.
"""

import signal
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue


def on_signals(numbers: Iterable[int], act: Callable[[], None]) -> None:
    """From now on `act` is called for each of these signals that arrives, by a thread of its own, one after the other.

    Raises: ValueError, unless called by the main thread.
    """
    arrived: SimpleQueue[int] = SimpleQueue()
    for number in numbers:
        signal.signal(number, lambda number, _frame: arrived.put(number))

    def listen() -> None:
        while True:
            arrived.get()
            act()

    threading.Thread(target=listen, name="signals", daemon=True).start()
