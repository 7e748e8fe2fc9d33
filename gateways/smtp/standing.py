"""What is known of a client's address before it has said a word: whether block lists name it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Standing:
    """`listed_by` is the block list that names the address; empty where none does, or where an allow list has it.

    `is_allowed`: an allow list names it; `is_nameless`: it has no name in the DNS, as few mail servers do.
    """

    listed_by: str = ""
    is_allowed: bool = False
    is_nameless: bool = False


class Doorkeeper(Protocol):
    """Who looks addresses up. Called on the event loop of the connections: it never blocks."""

    async def look(self, address: str) -> Standing:
        """What is known of it, within a few seconds; that somebody could not be asked is nothing known."""
        ...
