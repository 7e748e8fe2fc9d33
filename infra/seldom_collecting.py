"""How often a process of the service looks for garbage in cycles, of which it makes hardly any.

Left as it comes, Python looks after every 700 containers made, and a gathered append makes thousands that live until
its end: a fifth of a lane's time went into finding nothing.
"""

import gc

_THRESHOLDS = (50_000, 20, 20)


def collect_seldom() -> None:
    """What stands at the start is never looked at again; the rest, seldom. Called once all modules are loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
