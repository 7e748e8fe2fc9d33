"""The listening side of submission."""

from collections.abc import Callable
from typing import Any

from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.intake import Intake
from gateways.smtp.server import SmtpServer
from gateways.submission.conversation import SubmissionConversation
from gateways.submission.intake import SubmissionIntake
from gateways.submission.tarpit import Tarpit


class SubmissionServer(SmtpServer):
    """An `SmtpServer` for those who sign in; its other arguments are the same. `intakes` makes one for each session."""

    def __init__(self, *args: Any, intakes: Callable[[], SubmissionIntake], tarpit: Tarpit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._intakes = intakes
        self._tarpit = tarpit

    def conversation(self, client: Client) -> Conversation:
        """Part of `Door`."""
        offers_tls = self.ssl_context is not None
        return SubmissionConversation(self.host, client=client, tarpit=self._tarpit, offers_tls=offers_tls)

    def intake(self) -> Intake:
        """Part of `Door`."""
        return self._intakes()
