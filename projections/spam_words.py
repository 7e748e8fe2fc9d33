"""What did the owner call spam, and what not? By reports, and by moves to and from SPAM.

A message that the owner answered or flagged is wanted, unless the owner said otherwise of it. What went from SPAM into
TRASH was thrown away, not praised.
"""

from collections.abc import Iterable

import msgspec

from domain import events as e
from domain.ids import MessageId

_WANTED = frozenset({"$answered", "$flagged"})
_SPAM, _TRASH = "SPAM", "TRASH"


class SpamWords(msgspec.Struct):
    """Of a stretch of the log: what was said last of each message, and under which id it stands now."""

    said: dict[MessageId, bool] = {}
    """True for spam."""
    wanted: dict[MessageId, None] = {}
    """Those of which only a deed tells; it does not take back a word."""
    renamed: dict[MessageId, MessageId] = {}
    """From the id at the beginning of the stretch to the one at its end."""
    _origins: dict[MessageId, MessageId] = {}

    def add(self, recorded: Iterable[e.RecordedEvent]) -> None:
        """Take in what these events say."""
        for one in recorded:
            self._add(one.event)

    def _add(self, event: e.Event | None) -> None:
        match event:
            case e.SpamReported():
                self._say(event.message_ids, is_spam=True)
            case e.SpamCleared():
                self._say(event.message_ids, is_spam=False)
            case e.LabelsChanged() if _SPAM in event.added:
                self._say(event.message_ids, is_spam=True)
            case e.LabelsChanged() if _SPAM in event.removed and _TRASH not in event.added:
                self._say(event.message_ids, is_spam=False)
            case e.KeywordsChanged() if _WANTED & set(event.added):
                self.wanted |= dict.fromkeys(event.message_ids)
            case e.ThreadsJoined():
                self._rename(event)
            case _:
                pass

    def _say(self, message_ids: Iterable[MessageId], *, is_spam: bool) -> None:
        self.said |= dict.fromkeys(message_ids, is_spam)

    def _rename(self, joined: e.ThreadsJoined) -> None:
        for old, new in zip(joined.message_ids, joined.new_ids, strict=True):
            origin = self._origins.pop(old, old)
            self.renamed[origin] = new
            self._origins[new] = origin
            if old in self.said:
                self.said[new] = self.said.pop(old)
            if old in self.wanted:
                self.wanted[new] = self.wanted.pop(old)
