"""Correspondents for what somebody types, kept while nothing new was heard of any."""

from domain.ids import MailboxId
from infra.caches.current import CurrentAnswers
from projections.contacts import MAX_SUGGESTIONS, Correspondent, Suggestions

_VIEW = "contacts"


class CachedSuggestions:
    """`projections.contacts.Suggestions` in front of another one. Their order stays: all of them fade alike."""

    def __init__(self, suggestions: Suggestions, answers: CurrentAnswers) -> None:
        self._suggestions = suggestions
        self._answers = answers

    def find(self, mailbox_id: MailboxId, q: str, *, limit: int = MAX_SUGGESTIONS) -> list[Correspondent]:
        """Correspondents, most recent and frequent first; see `Suggestions.find`."""
        typed = q.encode(errors="surrogatepass")
        return self._answers.of_view(
            _VIEW,
            mailbox_id,
            ("suggestions-1", typed, limit),
            lambda: self._suggestions.find(mailbox_id, q, limit=limit),
            list[Correspondent],
        )
