"""What the client says of its connections. It tells its log why it reached no broker, and its caller only that."""

import logging

_BEFORE = ("Connection failed: ", "Connection lost: ")
HOPELESS_WORDS = ("SaslAuthenticationFailedError", "UnsupportedSaslMechanismError", "CERTIFICATE_VERIFY_FAILED")
"""Of reasons that no waiting mends."""


class Heard(logging.Handler):
    """Keeps the last reason for which a connection failed or was lost; all else that the client logs is dropped, for
    it logs every attempt, and what matters is told by whoever called it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        text = record.getMessage()
        for words in _BEFORE:
            if words in text:
                self.reason = text.partition(words)[2].strip()

    @property
    def is_hopeless(self) -> bool:
        """Whether the last reason stands for good."""
        return any(words in self.reason for words in HOPELESS_WORDS)


HEARD = Heard()


def listen() -> None:
    """Hear the client from now on. Safe to repeat."""
    log = logging.getLogger("kafka")
    log.propagate = False
    log.setLevel(logging.ERROR)
    if HEARD not in log.handlers:
        log.addHandler(HEARD)
