"""A signal that arrives while its own thread waits for the very event that is to be set."""

import subprocess
import sys

PROGRAM = """
import os, signal, threading
from infra.serving.signals import on_signals

event, done, counted = threading.Event(), threading.Event(), []

def act():
    event.set()
    counted.append(1)

def flood():
    while not done.is_set():
        os.kill(os.getpid(), signal.SIGUSR1)

on_signals([signal.SIGUSR1], act)
threading.Thread(target=flood, daemon=True).start()
for _ in range(500):
    event.wait(0.00001)
    event.clear()
done.set()
print(len(counted) > 0)
"""


def test_setting_an_event_from_a_signal_never_waits_for_the_thread_that_was_interrupted() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr
