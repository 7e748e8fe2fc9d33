"""The views in step: how each event changes the rows that are written in the appending transaction.

`changes(rows, recorded events)` is the one function that append and rebuild share: it changes the working set `rows`
and names the rows touched, at most one write a row, so that SQL only writes rows and knows no mail rules. The in-memory
fold (`domain.mailbox_state`) was written independently and is the oracle.

Counts follow from *footings*: where a message stands (thread, labels, unread, size, listing) before and after an event.
"""

from projections.in_step.changes import changes
from projections.in_step.touched import Touched

__all__ = ["Touched", "changes"]
