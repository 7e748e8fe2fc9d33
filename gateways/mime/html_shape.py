"""How deep and how large a parser's tree of an HTML text can become, told from its tags in linear time.

HTML parsers and sanitisers take quadratic time in the depth, so a hostile body must be measured before one sees it. The
measure follows the tree construction of the HTML standard (section 13.2.6) and errs only upwards.
"""

import re

MAX_HTML_CHARS = 2 << 20
MAX_TAGS = 100_000
MAX_TREE_DEPTH = 400
_MAX_REOPENED = 2_000_000
_MAX_WALKED = 5_000_000

_RUBY = re.compile(r"<r[tpb]")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>\x00]{0,40})")
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr frame keygen"
_VOID = frozenset(_VOID_NAMES.split())
# What is empty even in SVG and MathML, where any other name may nest.
_LEAVES_FOREIGN = frozenset({"br", "embed", "hr", "img", "meta"})
# There is one of each, whatever the tags say.
_SINGLE = frozenset({"html", "head", "body", "frameset"})
# Elements that a parser closes by itself when the next of their kind begins.
_SELF_CLOSING = frozenset({"p", "td", "th", "tr", "tbody", "thead", "tfoot", "option", "colgroup"})
# Items close the one before of their kind, unless something special stands between.
_ITEMS = {"li": frozenset({"li"}), "dd": frozenset({"dd", "dt"}), "dt": frozenset({"dd", "dt"})}
# Elements that stay on a list when their parent closes and are opened again in what follows.
_FORMATTING_NAMES = "a b big code em font i nobr s small strike strong tt u"
_FORMATTING = frozenset(_FORMATTING_NAMES.split())
# End tags inside do not reach elements outside (the "scopes" of section 13.2.4.2).
_BARRIER_NAMES = "table template applet marquee object button select svg math"
_BARRIERS = frozenset(_BARRIER_NAMES.split())
# End tags that look for their element in a scope; all others stop at the first special element.
_SCOPED_NAMES = (
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form h1 h2 h3"
    " h4 h5 h6 header hgroup li dd dt listing main menu nav ol pre search section summary ul"
)
_SCOPED = frozenset(_SCOPED_NAMES.split()) | _BARRIERS - {"svg", "math"}
_OTHER_SPECIAL_NAMES = (
    "annotation-xml caption desc foreignobject iframe mi mn mo ms mtext noembed noframes noscript plaintext script"
    " style textarea title xmp"
)
_SPECIAL = _SCOPED | _BARRIERS | _SELF_CLOSING | frozenset(_OTHER_SPECIAL_NAMES.split())
_LIST_SCOPE = _BARRIERS | {"ol", "ul"}
_PASSED_BY_ITEMS = frozenset({"address", "div"})


def is_parsable(html: str) -> bool:
    """Whether a parser's time and memory for ``html`` stay small: its size, tags, depth and reopened elements."""
    return len(html) <= MAX_HTML_CHARS and _Shape(html.lower()).fits()


class _Shape:
    """The stack of open elements as a parser would keep it, at least as deep."""

    def __init__(self, html: str) -> None:
        self.html = html
        foreign = "<svg" in html or "<math" in html
        self.ruby = _RUBY.search(html) is not None  # ruby text ends an item above it: then no item ends another
        self.skipped = _LEAVES_FOREIGN if foreign else _VOID | _SINGLE | _SELF_CLOSING
        self.stack: list[str] = []
        self.open: dict[str, int] = {}
        self.formatting: list[dict[str, int]] = [{}]
        self.formatting_total = 0
        self.reopened = 0
        self.walked = 0

    def fits(self) -> bool:
        for count, tag in enumerate(_TAG.finditer(self.html)):
            if count >= MAX_TAGS:
                return False
            name = tag[2]
            if name not in _FORMATTING:
                self.reopened += self.formatting_total
            if name not in self.skipped:
                if tag[1]:
                    self.end(name)
                else:
                    self.start(name)
            if len(self.stack) + self.formatting_total > MAX_TREE_DEPTH:
                return False
            if self.reopened > _MAX_REOPENED or self.walked > _MAX_WALKED:
                return False
        return True

    def start(self, name: str) -> None:
        if name in _FORMATTING:
            scope = self.formatting[-1]
            if name == "a" and scope.get("a"):
                return  # an open link is closed by the next
            scope[name] = scope.get(name, 0) + 1
            self.formatting_total += 1
            return
        if name in _ITEMS and not self.ruby:
            self.close_before(name)
        self.stack.append(name)
        self.open[name] = self.open.get(name, 0) + 1
        if name in _BARRIERS:
            self.formatting.append({})

    def close_before(self, item: str) -> None:
        for index in range(len(self.stack) - 1, -1, -1):
            self.walked += 1
            found = self.stack[index]
            if found in _ITEMS[item]:
                self.pop_from(index)
                return
            if found in _SPECIAL and found not in _PASSED_BY_ITEMS:
                return

    def end(self, name: str) -> None:
        if name in _FORMATTING:
            scope = self.formatting[-1]
            if scope.get(name):
                scope[name] -= 1
                self.formatting_total -= 1
        elif self.open.get(name):
            self.close(name)

    def close(self, name: str) -> None:
        """Pop as far as ``name``, unless something stands between that its end tag does not reach beyond."""
        stops = _LIST_SCOPE if name == "li" else _BARRIERS if name in _SCOPED else _SPECIAL
        for index in range(len(self.stack) - 1, -1, -1):
            self.walked += 1
            found = self.stack[index]
            if found == name:
                self.pop_from(index)
                return
            if found in stops:
                return

    def pop_from(self, index: int) -> None:
        for name in self.stack[index:]:
            self.open[name] -= 1
            if name in _BARRIERS:
                inner = self.formatting.pop()
                for formatting, count in inner.items():
                    outer = self.formatting[-1]
                    outer[formatting] = outer.get(formatting, 0) + count
        del self.stack[index:]
