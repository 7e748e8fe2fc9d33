"""Which records of a partition were taken and are not settled: up to where its offset may be committed.

Nothing here speaks to a server. An offset is committed when all below it are settled, so that whoever takes the
partition over begins with the first that is not.
"""

from typing import NamedTuple


class Taken(NamedTuple):
    """A record in hand."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Offsets:
    """The offsets of one partition since it came to us."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # in the order in which they came, which is that of the offsets
        self._next: int | None = None
        self._committed: int | None = None

    def take(self, offset: int) -> bool:
        """Note a record that came; false where it came before."""
        if self._next is not None and offset < self._next:
            return False
        self._open[offset] = None
        self._next = offset + 1
        return True

    def settle(self, offset: int) -> None:
        """Nothing is left to do for it. Safe to repeat."""
        self._open.pop(offset, None)

    @property
    def committable(self) -> int | None:
        """What is to be committed; none where that is so already."""
        reached = next(iter(self._open), self._next)
        return None if reached == self._committed else reached

    def committed(self, offset: int) -> None:
        """It was."""
        self._committed = offset

    @property
    def reached(self) -> int | None:
        """Behind the last record that came."""
        return self._next

    @property
    def done_below(self) -> int | None:
        """Up to where records are of no more use: what was committed."""
        return self._committed


class InHand:
    """The offsets of all partitions that are ours."""

    def __init__(self) -> None:
        self._of: dict[int, Offsets] = {}

    def take(self, taken: Taken) -> bool:
        """Note a record that came; false where it came before."""
        return self._of.setdefault(taken.partition, Offsets()).take(taken.offset)

    def settle(self, taken: Taken) -> None:
        """Nothing is left to do for it; where its partition has gone to others, they do it again."""
        if (offsets := self._of.get(taken.partition)) is not None:
            offsets.settle(taken.offset)

    def forget(self, partition: int) -> None:
        """The partition goes to others."""
        self._of.pop(partition, None)

    def committable(self) -> dict[int, int]:
        """Partition → the offset that is to be committed."""
        return {p: reached for p, offsets in self._of.items() if (reached := offsets.committable) is not None}

    def committed(self, offsets: dict[int, int]) -> None:
        """They were."""
        for partition, offset in offsets.items():
            if partition in self._of:
                self._of[partition].committed(offset)

    def reached(self) -> dict[int, int]:
        """Partition → the offset behind the last record that came."""
        return {p: reached for p, offsets in self._of.items() if (reached := offsets.reached) is not None}

    def done_below(self) -> dict[int, int]:
        """Partition → up to where its records are of no more use."""
        return {p: below for p, offsets in self._of.items() if (below := offsets.done_below) is not None}
