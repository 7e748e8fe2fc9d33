"""What a duty says that served all mailboxes but some."""

from collections.abc import Mapping

PASSED_OVER_SHOWN = 20


class PassedOverError(Exception):
    """These mailboxes could not be served, and all others were; mailbox id → why."""

    def __init__(self, why: Mapping[str, Exception]) -> None:
        shown = [f"{mailbox_id}: {type(error).__name__}: {error}" for mailbox_id, error in why.items()]
        more = f" and {len(shown) - PASSED_OVER_SHOWN} more" if len(shown) > PASSED_OVER_SHOWN else ""
        super().__init__("passed over " + "; ".join(shown[:PASSED_OVER_SHOWN]) + more)
