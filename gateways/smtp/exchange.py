"""The mechanics of a conversation, whatever is talked about: input kept, replies gathered, answers waited for."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from gateways.smtp import replies
from gateways.smtp.actions import Action, Close, Drain, Outcome, Send, Waiting
from gateways.smtp.host import Host

_MAX_UNSENT_BYTES = 16 * 1024

Step = Callable[[], bool]
"""Works on the input; false where it needs more of it."""


class Exchange(ABC):
    """One connection's input and output. What the holder of the socket calls is public and returns actions."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.accepted_mails = 0
        self.is_closed = False
        self.step: Step
        self.input = b""
        self.at = 0
        self._then: Callable[[Outcome], None] | None = None
        self._out = bytearray()
        self._actions: list[Action] = []
        self._errors = 0
        self._is_stopping = False
        self._is_greeted = False

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether no content is under way, so that the connection may be ended without harm."""

    @property
    @abstractmethod
    def greeting(self) -> bytes:
        """The first reply (RFC 5321 section 4.2)."""

    @property
    def is_waiting(self) -> bool:
        """Whether an action was asked for that `resume` has not answered yet."""
        return self._then is not None

    def greet(self) -> list[Action]:
        """Begin: the connection stands and was let in."""
        self._is_greeted = True
        self.say(self.greeting)
        return self._advance()

    def receive(self, data: bytes) -> list[Action]:
        """Octets came in."""
        if self.is_closed:
            return []
        self.input += data
        if not self._is_greeted:  # RFC 5321 section 4.3.1: the client waits for the greeting
            self.end(replies.EARLY_TALKER)
        return self._advance()

    def resume(self, outcome: Outcome) -> list[Action]:
        """The action that was waited for is done: with a result, or with what it raised."""
        then, self._then = self._then, None
        if then is not None and not self.is_closed:
            then(outcome)
        return self._advance()

    def shut_down(self) -> list[Action]:
        """The server stops: end at once when idle, else after the message under way."""
        self._is_stopping = True
        return self._advance()

    def time_out(self) -> list[Action]:
        """Nothing came for too long."""
        if not self.is_closed:
            self.end_because(replies.TIMED_OUT)
        return self._taken_actions()

    def say(self, reply: bytes) -> None:
        """Add a reply to what goes out next."""
        self._out += reply

    def fail(self, reply: bytes) -> None:
        """Refuse a wrong command; after too many of them, the connection."""
        self.say(reply)
        self._errors += 1
        if self._errors >= self.host.limits.errors:
            self.end_because(replies.TOO_MANY_ERRORS)

    def end(self, reply: bytes = b"") -> None:
        """Say a last word and hear nothing more."""
        self.say(reply)
        self.flush()
        self._actions.append(Close())
        self.is_closed = True

    def end_because(self, why: tuple[str, str]) -> None:
        """End with a 421."""
        self.end(replies.closing(self.host.hostname, why))

    def wait(self, action: Waiting, then: Callable[[Outcome], None]) -> None:
        """Ask for `action` and go on with `then` when it is done; replies so far stay gathered."""
        self._actions.append(action)
        self._then = then

    def flush(self) -> None:
        """Send what was said so far."""
        if self._out:
            self._actions.append(Send(bytes(self._out)))
            self._out.clear()

    def take(self, size: int) -> bytes:
        """At most `size` octets of the input."""
        taken = self.input[self.at : self.at + size]
        self.at += len(taken)
        return taken

    def _advance(self) -> list[Action]:
        while self._then is None and not self.is_closed:
            if self._is_stopping and self.is_idle:
                self.end_because(replies.SHUTTING_DOWN)
            elif len(self._out) > _MAX_UNSENT_BYTES:
                self.flush()
                self.wait(Drain(), go_on)
            elif not self.step():
                break
        if self._then is None:
            self.flush()
        return self._taken_actions()

    def _taken_actions(self) -> list[Action]:
        self.input, self.at = b"" if self.is_closed else self.input[self.at :], 0
        actions, self._actions = self._actions, []
        return actions


def go_on(_outcome: Outcome) -> None:
    """After draining, the next step is the one that was next before."""
