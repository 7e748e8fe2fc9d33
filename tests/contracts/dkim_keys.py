"""What every adapter of the port `DkimKeys` keeps."""

from collections.abc import Sequence

import pytest

from gateways.authentication.dkim_keys import ACTIVE, PENDING, RETIRED, DkimKey, DkimKeys, KeysPresentError

FIRST = [DkimKey("a.test", f"one-{kind}", f"{kind}-sha256", ACTIVE, kind.encode()) for kind in ("ed25519", "rsa")]
SECOND = [DkimKey("a.test", f"two-{kind}", f"{kind}-sha256", PENDING, kind.encode()) for kind in ("ed25519", "rsa")]


class DkimKeysContract:
    """A subclass gives the fixture `keys`: an empty store."""

    def test_keys_come_back_as_they_were_put_in_the_oldest_first(self, keys: DkimKeys) -> None:
        keys.add(FIRST)
        keys.add(SECOND)
        assert keys.of("a.test") == [*FIRST, *SECOND]
        assert keys.of("b.test") == []

    def test_a_switch_signs_with_the_pending_and_retires_the_active(self, keys: DkimKeys) -> None:
        keys.add(FIRST)
        keys.add(SECOND)
        keys.switch("a.test")
        assert states(keys.of("a.test")) == [RETIRED, RETIRED, ACTIVE, ACTIVE]

    def test_a_switch_where_none_is_pending_changes_nothing(self, keys: DkimKeys) -> None:
        keys.add(FIRST)
        keys.switch("a.test")
        keys.switch("b.test")
        assert keys.of("a.test") == FIRST

    @pytest.mark.parametrize("again", [FIRST, [FIRST[0].in_state(RETIRED)]])
    def test_keys_that_are_there_are_not_replaced_and_none_of_the_new_are_kept(
        self, keys: DkimKeys, again: list[DkimKey]
    ) -> None:
        keys.add(FIRST)
        other = DkimKey("b.test", "x", "rsa-sha256", ACTIVE, b"x")
        with pytest.raises(KeysPresentError):
            keys.add([other, *again])
        assert (keys.of("a.test"), keys.of("b.test")) == (FIRST, [])

    def test_of_two_sets_that_are_active_at_once_the_second_is_refused(self, keys: DkimKeys) -> None:
        keys.add(FIRST)
        with pytest.raises(KeysPresentError):
            keys.add([key.in_state(ACTIVE) for key in SECOND])


def states(keys: Sequence[DkimKey]) -> list[str]:
    return [key.state for key in keys]
