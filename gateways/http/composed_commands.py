"""Commands whose id alone tells a repeat: each keeps the digest of its request with its answer.

They are composed anew for every request, so that the lane cannot tell by their fields whether the request was the same.
"""

from domain.decisions import Deliver, SaveDraft, Submit, SubmitNew
from domain.decisions.appending import Answer, Appending
from domain.decisions.drafting import standing_draft
from domain.refusals import DraftChangedError


class SaveDraftOnce(SaveDraft, frozen=True, kw_only=True):
    """`SaveDraft` of one request."""

    request: str = ""

    def gather(self, appending: Appending) -> Answer:
        """As `SaveDraft`, and `request`."""
        return super().gather(appending) | {"request": self.request}


class SubmitOnce(Submit, frozen=True, kw_only=True):
    """`Submit` of one request, of the very revision that it read."""

    request: str = ""
    revision: int

    def gather(self, appending: Appending) -> Answer:
        """As `Submit`, and `request`. Raises: DraftChangedError, where another revision was saved meanwhile."""
        draft, message = standing_draft(appending, self.draft_id)
        if draft.revision != self.revision:
            raise DraftChangedError(draft.revision, message.message_id)
        return super().gather(appending) | {"request": self.request}


class SubmitNewOnce(SubmitNew, frozen=True, kw_only=True):
    """`SubmitNew` of one request."""

    request: str = ""

    def gather(self, appending: Appending) -> Answer:
        """As `SubmitNew`, and `request`."""
        return super().gather(appending) | {"request": self.request}


class ImportOnce(Deliver, frozen=True, kw_only=True):
    """`Deliver` of one import."""

    request: str = ""

    def gather(self, appending: Appending) -> Answer:
        """As `Deliver`, and `request`."""
        return super().gather(appending) | {"request": self.request}
