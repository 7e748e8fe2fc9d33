"""The header of a message as signatures see it: its fields in their order, octet for octet."""

import re
from functools import cached_property

from gateways.authentication.canonical import RELAXED, relaxed_field

_BETWEEN = re.compile(rb"\r\n(?![ \t])")


class HeaderBlock:
    """The fields of a header block without the empty line behind it."""

    def __init__(self, raw: bytes, *, is_whole: bool = True) -> None:
        self.is_whole = is_whole
        """False where the header was too long to be kept: then nothing that is signed can be verified."""
        self.fields = [field for field in _BETWEEN.split(raw) if field]
        self._relaxed: dict[int, bytes] = {}

    @cached_property
    def places(self) -> dict[bytes, list[int]]:
        """By lower-case name where its fields stand, the topmost first."""
        places: dict[bytes, list[int]] = {}
        for at, field in enumerate(self.fields):
            name, colon, _value = field.partition(b":")
            if colon:
                places.setdefault(name.rstrip(b" \t").lower(), []).append(at)
        return places

    def values(self, name: bytes) -> list[bytes]:
        """The raw values of the fields of this lower-case name, the topmost first."""
        return [self.fields[at].partition(b":")[2] for at in self.places.get(name, ())]

    def canonical(self, at: int, form: str) -> bytes:
        """The field there, without its line end."""
        if form != RELAXED:
            return self.fields[at]
        if at not in self._relaxed:
            self._relaxed[at] = relaxed_field(self.fields[at])
        return self._relaxed[at]

    def selected(self, names: tuple[bytes, ...], form: str, *, without: int | None = None) -> list[bytes]:
        """The canonical fields that a list of names takes, each the lowest not yet taken (RFC 6376 section 5.4.2);
        `without` is one that is never taken: the signature itself."""
        taken: dict[bytes, int] = {}
        found = []
        for name in names:
            places = self.places.get(name, ())
            at = len(places) - 1 - taken.get(name, 0)
            if at >= 0 and places[at] == without:
                at -= 1
                taken[name] = taken.get(name, 0) + 1
            if at >= 0:
                taken[name] = taken.get(name, 0) + 1
                found.append(self.canonical(places[at], form))
        return found
