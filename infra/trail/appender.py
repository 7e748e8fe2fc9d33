"""The appender, each of whose deliveries and submissions is told."""

import time
from concurrent.futures import Future
from typing import Any

from domain.commands import Command, Outcome
from gateways.appending import Appender
from gateways.delivery.incoming import DeliverAccepted
from gateways.http.request_ids import REQUEST
from infra.logs import facts
from infra.trail.stages import LOG, stage


class ToldAppender:
    """The port `gateways.appending.Appender`. What is refused is told by whoever asked for it."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender

    def run(self, command: Command, *, timeout_s: float | None = 60) -> Outcome:
        """See `Appender.run`."""
        return self.submit(command).result(timeout_s)

    def submit(self, command: Command) -> "Future[Outcome]":
        """See `Appender.submit`."""
        began, request = time.time(), REQUEST.get()
        future = self._appender.submit(command)
        future.add_done_callback(lambda done: _tell(done, command, began, request))
        return future


def _tell(done: "Future[Outcome]", command: Command, began: float, request: str) -> None:
    if done.cancelled() or done.exception() is not None:
        return
    outcome = done.result()
    if isinstance(command, DeliverAccepted):
        _delivered(command, outcome, began)
    elif (submission := outcome.answer.get("submission_id")) is not None and request:
        named: dict[str, Any] = {"submission": submission, "mailbox": command.mailbox_id, "seq": outcome.seq}
        LOG.info("submitted", extra=facts(request=request, **named))


def _delivered(command: DeliverAccepted, outcome: Outcome, began: float) -> None:
    again = {"again": True} if outcome.repeated else {}
    stage(
        "delivered",
        command.server.acceptance_id,
        began=began,
        mailbox=command.mailbox_id,
        seq=outcome.first_seq,
        **again,
    )
