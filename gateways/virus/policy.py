"""What is done about a message once it was looked at for viruses, or could not be."""

from typing import Final

import msgspec

from gateways.screening import HOLD, REFUSE, WAIT, Screening
from gateways.virus.scanning import CLEAN, INFECTED, UNSCREENED, Scan

REFUSES: Final = "refuse"
QUARANTINES: Final = "quarantine"


def at_the_door(found: Screening, scan: Scan, *, policy: str) -> Screening:
    """While the sender is there: an infected message is refused, or taken and held where the policy says so; one that
    nobody could look at waits for the scanner, unless it is more than the scanner takes."""
    if scan.verdict == INFECTED:
        action = HOLD if policy == QUARANTINES else REFUSE
    else:
        action = WAIT if scan.verdict == UNSCREENED else ""
    return _with(found, scan, action)


def after_acceptance(found: Screening, scan: Scan, *, is_over: bool) -> Screening:
    """Once 250 was said nothing is refused: an infected message is held; one that nobody could look at waits on, until
    its time `is_over`: then it is delivered as it is, and marked."""
    if scan.verdict == INFECTED:
        return _with(found, scan, HOLD)
    return _with(found, scan, WAIT if scan.verdict == UNSCREENED and not is_over else "")


def _with(found: Screening, scan: Scan, action: str) -> Screening:
    virus = scan.verdict if scan.verdict in (CLEAN, INFECTED) else UNSCREENED
    return msgspec.structs.replace(found, virus=virus, threat=scan.threat, virus_action=action)
