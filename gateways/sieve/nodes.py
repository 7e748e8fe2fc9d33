"""A checked program: tests and actions with all that they need, whether a script or an owner's JSON rules said it.

Strings may hold variables (`${name}`, RFC 5229) where the program has them; they are filled in when it runs.
"""

import msgspec

Texts = tuple[str, ...]


class Match(msgspec.Struct, frozen=True):
    """How values are held against keys (RFC 5228 section 2.7, RFC 5231).

    `kind`: is, contains, matches, count, value; `relation` of the last two: gt, ge, lt, le, eq, ne. `comparator`:
    i;octet, i;ascii-casemap, i;ascii-numeric.
    """

    kind: str = "is"
    comparator: str = "i;ascii-casemap"
    relation: str = ""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on a line of the script; 0 for a rule that is no script."""

    line: int = 0


class Test(Node, frozen=True, kw_only=True):
    """Holds of a message, or not."""


class Constant(Test, frozen=True, kw_only=True):
    """`true` and `false`."""

    holds: bool


class Not(Test, frozen=True, kw_only=True):
    """The test does not hold."""

    test: Test


class AllOf(Test, frozen=True, kw_only=True):
    """Every test holds."""

    tests: tuple[Test, ...]


class AnyOf(Test, frozen=True, kw_only=True):
    """At least one test holds."""

    tests: tuple[Test, ...]


class Address(Test, frozen=True, kw_only=True):
    """A part of an address in these fields matches. `part`: all, localpart, domain, user, detail (RFC 5233)."""

    match: Match
    part: str
    headers: Texts
    keys: Texts


class Envelope(Test, frozen=True, kw_only=True):
    """A part of an address of the envelope matches; `fields` are `from` and `to` (RFC 5228 section 5.4)."""

    match: Match
    part: str
    fields: Texts
    keys: Texts


class Header(Test, frozen=True, kw_only=True):
    """A field's value matches (RFC 5228 section 5.7)."""

    match: Match
    headers: Texts
    keys: Texts


class Exists(Test, frozen=True, kw_only=True):
    """All these fields are there."""

    headers: Texts


class Size(Test, frozen=True, kw_only=True):
    """The message is larger (`over`), or smaller, than this many octets."""

    over: bool
    octets: int


class Body(Test, frozen=True, kw_only=True):
    """A part of the body matches (RFC 5173). `transform`: raw, content, text; `types` belongs to content."""

    match: Match
    transform: str
    types: Texts
    keys: Texts


class Value(Test, frozen=True, kw_only=True):
    """The `string` test (RFC 5229 section 5)."""

    match: Match
    sources: Texts
    keys: Texts


class HasFlag(Test, frozen=True, kw_only=True):
    """One of the flags set so far matches (RFC 5232 section 4)."""

    match: Match
    variables: Texts
    keys: Texts


class MailboxExists(Test, frozen=True, kw_only=True):
    """All these mailboxes are there (RFC 5490 section 3.1)."""

    mailboxes: Texts


class HasAttachment(Test, frozen=True, kw_only=True):
    """Something is attached; for JSON rules."""


class Action(Node, frozen=True, kw_only=True):
    """Does something."""


class If(Action, frozen=True, kw_only=True):
    """The block of the first branch whose test holds (RFC 5228 section 3.1)."""

    branches: tuple[tuple[Test, tuple[Action, ...]], ...]


class Stop(Action, frozen=True, kw_only=True):
    """Nothing after this is done."""


class Keep(Action, frozen=True, kw_only=True):
    """Into INBOX; `flags` null: those set so far."""

    flags: Texts | None = None


class Discard(Action, frozen=True, kw_only=True):
    """No implicit keep."""


class FileInto(Action, frozen=True, kw_only=True):
    """Into a mailbox by its path, or into the label of this id; `copy` leaves the implicit keep (RFC 3894)."""

    mailbox: str = ""
    label_id: str = ""
    copy: bool = False
    create: bool = False
    flags: Texts | None = None


class Unfile(Action, frozen=True, kw_only=True):
    """Not into this label after all; of INBOX: no implicit keep. For JSON rules."""

    label_id: str


class Redirect(Action, frozen=True, kw_only=True):
    """To another address."""

    address: str
    copy: bool = False


class Reject(Action, frozen=True, kw_only=True):
    """Refused, with this text to the sender (RFC 5429)."""

    reason: str


class Vacation(Action, frozen=True, kw_only=True):
    """An automatic reply (RFC 5230), once per sender and `handle` within `seconds`."""

    reason: str
    seconds: int
    subject: str = ""
    from_: str = ""
    addresses: Texts = ()
    mime: bool = False
    handle: str = ""


class Flags(Action, frozen=True, kw_only=True):
    """setflag, addflag, removeflag (`what`: set, add, remove) on a variable, or on the flags of what follows."""

    what: str
    flags: Texts
    variable: str = ""


class Mark(Action, frozen=True, kw_only=True):
    """The message bears these flags wherever it goes. For JSON rules."""

    flags: Texts


class Set(Action, frozen=True, kw_only=True):
    """A variable becomes this, each modifier in its order of precedence applied (RFC 5229 section 4)."""

    name: str
    value: str
    modifiers: Texts = ()


class AddHeader(Action, frozen=True, kw_only=True):
    """One more field (RFC 5293 section 4)."""

    name: str
    value: str
    last: bool = False


class DeleteHeader(Action, frozen=True, kw_only=True):
    """Fields of this name go, those that match where keys are given, or only the `index`-th (RFC 5293 section 5)."""

    name: str
    match: Match = Match()
    keys: Texts = ()
    index: int = 0
    last: bool = False


class Program(msgspec.Struct, frozen=True):
    """What is run from the top; `has_variables`: strings are filled in."""

    actions: tuple[Action, ...] = ()
    has_variables: bool = False
