"""The blocking half of a session: its actions, done against the reception."""

from gateways.envelope import Envelope
from gateways.reception import Reception, Spool
from gateways.smtp.actions import Accept, Blocking, Discard, Judge, Outcome, Write


class Intake:
    """One session's calls of the reception, and the spool that it has open. Calls never overlap."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._spool: Spool | None = None

    @property
    def has_spool(self) -> bool:
        """Whether content lies in a spool that nobody has accepted."""
        return self._spool is not None

    def perform(self, action: Blocking) -> Outcome:
        """What `action` asks for. A call that fails leaves no spool behind.

        Raises: StorageFullError, TemporarilyUnavailableError
        """
        match action:
            case Judge(recipient, size_bytes):
                return self._reception.judge(recipient, size_bytes=size_bytes)
            case Write(data):
                self.write(data)
            case Accept(envelope, data):
                self._accept(envelope, data)
            case Discard():
                self.discard()
            case _:
                raise ValueError(f"nobody here does {type(action).__name__}")
        return None

    def discard(self) -> None:
        """Forget what was spooled and not accepted. Safe to repeat."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.discard()

    def write(self, data: bytes) -> None:
        """Into the spool. Raises: StorageFullError, TemporarilyUnavailableError; then it is gone."""
        try:
            self.opened().write(data)
        except BaseException:
            self.discard()
            raise

    def _accept(self, envelope: Envelope, data: bytes) -> None:
        self.write(data)
        try:
            self._reception.accept(envelope, self.opened())
        except BaseException:
            self.discard()
            raise
        self._spool = None

    def opened(self) -> Spool:
        """The spool of the message under way."""
        if self._spool is None:
            self._spool = self._reception.spool()
        return self._spool
