"""Whether a test holds of a message."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateways.sieve import nodes as n
from gateways.sieve.comparing import Budget, holds
from gateways.sieve.flags import words
from gateways.sieve.message import Message
from gateways.sieve.paths import path_key
from gateways.sieve.variables import Variables


class Tester:
    """Asks tests of one message. `flags` gives the flags set so far."""

    def __init__(self, message: Message, budget: Budget, flags: Callable[[], Sequence[str]]) -> None:
        self._message = message
        self._budget = budget
        self._flags = flags
        self.variables = Variables()
        self.fills = False
        """Whether references to variables are filled in."""

    def is_so(self, test: n.Test) -> bool:
        """Whether the test holds.

        Raises: TooMuchError
        """
        self._budget.spend()
        return _TESTS[type(test)](self, test)

    def filled(self, text: str) -> str:
        """The text with its variables, where the program has any."""
        return self.variables.filled(text) if self.fills else text

    def all_filled(self, texts: Sequence[str]) -> Sequence[str]:
        """`filled` for each of them."""
        return [self.variables.filled(text) for text in texts] if self.fills else texts

    def is_any(self, match: n.Match, values: Sequence[str], keys: Sequence[str]) -> bool:
        """Whether one of the values matches; what a pattern matched can then be used."""
        found = holds(match, values, self.all_filled(keys), self._budget)
        if found:
            self.variables.matched(found)
        return found is not None

    def _not(self, test: n.Not) -> bool:
        return not self.is_so(test.test)

    def _all_of(self, test: n.AllOf) -> bool:
        return all(self.is_so(one) for one in test.tests)

    def _any_of(self, test: n.AnyOf) -> bool:
        return any(self.is_so(one) for one in test.tests)

    def _look_through(self, headers: n.Texts) -> None:
        """Every name is looked for among all fields.

        Raises: TooMuchError
        """
        self._budget.spend(len(self._message.fields) * len(headers))

    def _header(self, test: n.Header) -> bool:
        self._look_through(test.headers)
        values = [value for name in self.all_filled(test.headers) for value in self._message.values(name)]
        return self.is_any(test.match, values, test.keys)

    def _address(self, test: n.Address) -> bool:
        self._look_through(test.headers)
        found = [address for name in self.all_filled(test.headers) for address in self._message.addresses(name)]
        return self.is_any(test.match, _parts(found, test.part), test.keys)

    def _envelope(self, test: n.Envelope) -> bool:
        envelope = self._message.envelope
        found: list[str] = []
        for field in test.fields:
            found += [envelope.sender] if field == "from" else envelope.recipients
        return self.is_any(test.match, _parts(found, test.part), test.keys)

    def _exists(self, test: n.Exists) -> bool:
        self._look_through(test.headers)
        return all(self._message.has(name) for name in self.all_filled(test.headers))

    def _size(self, test: n.Size) -> bool:
        size = self._message.size_bytes
        return size > test.octets if test.over else size < test.octets

    def _body(self, test: n.Body) -> bool:
        values = self._message.body(test.transform, self.all_filled(test.types))
        found = holds(test.match, values, self.all_filled(test.keys), self._budget)
        return found is not None  # wildcards in a body set no variables (RFC 5173 section 6)

    def _value(self, test: n.Value) -> bool:
        values = self.all_filled(test.sources)
        if test.match.kind == "count":
            values = [value for value in values if value]  # RFC 5229 section 5
        return self.is_any(test.match, values, test.keys)

    def _has_flag(self, test: n.HasFlag) -> bool:
        flags = words(self.variables.get(name.lower()) for name in test.variables) if test.variables else self._flags()
        keys = words(self.all_filled(test.keys)) if test.match.kind in ("is", "contains") else test.keys
        return self.is_any(test.match, flags, keys)

    def _mailbox_exists(self, test: n.MailboxExists) -> bool:
        return all(path_key(path) in self._message.mailbox.labels for path in self.all_filled(test.mailboxes))

    def _has_attachment(self, _test: n.HasAttachment) -> bool:
        return any(not attachment.inline for attachment in self._message.parsed.attachments)


def _parts(addresses: Sequence[str], part: str) -> list[str]:
    """This part of each address that has it (RFC 5228 section 2.7.4, RFC 5233)."""
    if part == "all":
        return list(addresses)
    found = []
    for address in addresses:
        localpart, _at, domain = address.rpartition("@")
        user, plus, detail = localpart.partition("+")
        parts = {"localpart": localpart, "domain": domain, "user": user, "detail": detail if plus else None}
        if (chosen := parts[part]) is not None:
            found.append(chosen)
    return found


_TESTS: Mapping[type[n.Test], Callable[[Tester, Any], bool]] = {
    n.Constant: lambda _tester, test: bool(test.holds),
    n.Not: Tester._not,
    n.AllOf: Tester._all_of,
    n.AnyOf: Tester._any_of,
    n.Header: Tester._header,
    n.Address: Tester._address,
    n.Envelope: Tester._envelope,
    n.Exists: Tester._exists,
    n.Size: Tester._size,
    n.Body: Tester._body,
    n.Value: Tester._value,
    n.HasFlag: Tester._has_flag,
    n.MailboxExists: Tester._mailbox_exists,
    n.HasAttachment: Tester._has_attachment,
}
