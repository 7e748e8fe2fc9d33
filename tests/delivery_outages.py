"""Stores and lanes of which one object or one mailbox is out of order."""

from concurrent.futures import Future
from typing import Any

from infra.keys import KeyMissingError


class BrokenFor:
    """A blob store that cannot read or write the objects whose names `broken` picks; `calls` names the methods."""

    def __init__(self, blobs: Any, broken: Any, *calls: str) -> None:
        self._blobs, self.broken, self._calls = blobs, broken, calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._blobs, name)
        if name not in self._calls:
            return real

        def call(blob: str, *arguments: Any, **named: Any) -> Any:
            if self.broken(blob):
                raise OSError(5, "Input/output error")
            return real(blob, *arguments, **named)

        return call


class Keyless:
    """An appender that cannot append to one mailbox, whose key is not where it was, while `missing` is set."""

    def __init__(self, lane: Any, mailbox_id: str) -> None:
        self._lane, self._mailbox_id = lane, mailbox_id
        self.missing = True

    def submit(self, command: Any) -> Any:
        if not self.missing or command.mailbox_id != self._mailbox_id:
            return self._lane.submit(command)
        failed: Future[Any] = Future()
        failed.set_exception(KeyMissingError(self._mailbox_id))
        return failed
