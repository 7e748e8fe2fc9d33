"""Who gives way where there is not enough processor for all."""

import os

from infra.serving.giving_way import NICENESS
from tests.system.service import installation


def test_what_nobody_waits_for_gives_way() -> None:
    with installation() as service:
        service.start()
        niceness = {role: os.getpriority(os.PRIO_PROCESS, pid) for role, pid in service.children().items()}
    usual = niceness.pop("http")
    assert niceness.pop("follower") == min(usual + NICENESS, 19)
    assert set(niceness.values()) == {usual}
