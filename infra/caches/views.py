"""The views that HTTP asks, as they are or with a cache before them."""

from typing import NamedTuple

from infra.caches.current import CurrentAnswers
from infra.caches.facts import CachedFacts
from infra.caches.lists import CachedLists
from infra.caches.search import CachedSearch
from infra.caches.suggestions import CachedSuggestions
from projections.contacts import Suggestions
from projections.mailbox_views import MailboxFacts, MessageLists
from projections.search import SearchIndex


class Views(NamedTuple):
    """Ports of the views whose answers may be kept."""

    lists: MessageLists
    facts: MailboxFacts
    suggestions: Suggestions
    search: SearchIndex


def with_cache(views: Views, answers: CurrentAnswers) -> Views:
    """The same views, asked only for what is not kept."""
    return Views(
        CachedLists(views.lists, answers),
        CachedFacts(views.facts, answers),
        CachedSuggestions(views.suggestions, answers),
        CachedSearch(views.search, answers),
    )
