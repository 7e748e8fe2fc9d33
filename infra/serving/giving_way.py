"""A process that lets others go first: what it does may take longer, what people wait for may not.

Linux shares processors between sessions before it looks at niceness (sched(7), "The autogroup feature"), and each
process of the service is a session of its own; so both are said.
"""

import contextlib
import os
from pathlib import Path

NICENESS = 5
"""A third of the share of what does not give way, where there is not enough for both: enough to end in time, too."""
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """From now on, for this process and the threads that it is yet to start."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # no such feature here, or not ours to use
        _AUTOGROUP.write_text(str(NICENESS))
