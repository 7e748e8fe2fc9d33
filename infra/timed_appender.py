"""The lane, each of whose appends is measured; deliveries are measured from the acceptance of the mail too."""

import time
from concurrent.futures import Future
from time import perf_counter

from domain.commands import Command, Outcome
from gateways.appending import Appender
from gateways.delivery.incoming import DeliverAccepted
from gateways.http.metrics import APPEND, DELIVERY


class TimedAppender:
    """The port `gateways.appending.Appender`; refusals and failures are not measured."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender

    def run(self, command: Command, *, timeout_s: float | None = 60) -> Outcome:
        """See `Appender.run`."""
        return self.submit(command).result(timeout_s)

    def submit(self, command: Command) -> "Future[Outcome]":
        """See `Appender.submit`."""
        began = perf_counter()
        future = self._appender.submit(command)
        future.add_done_callback(lambda done: _observe(done, command, began))
        return future


def _observe(done: "Future[Outcome]", command: Command, began: float) -> None:
    if done.cancelled() or done.exception() is not None:
        return
    APPEND.observe(perf_counter() - began)
    if isinstance(command, DeliverAccepted) and not done.result().repeated:
        DELIVERY.observe(max(time.time() - command.received_at / 1000, 0))
