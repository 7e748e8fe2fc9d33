"""A stranger's HTML made safe to show: nothing runs, nothing is sent, nothing remote is loaded without consent."""

import re
from collections.abc import Callable
from typing import NamedTuple

import nh3

from gateways.mime.html_shape import is_parsable
from gateways.mime.style import harmless_style, is_plain

_TAG_NAMES = (
    "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd "
    "del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li "
    "main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table "
    "tbody td tfoot th thead time tr tt u ul var wbr"
)
_TAGS = set(_TAG_NAMES.split())
_CONTENT_GOES_TOO_NAMES = (
    "applet audio canvas embed frame frameset iframe math noembed noframes noscript object script style "
    "svg template textarea title video xmp select option"
)
_CONTENT_GOES_TOO = set(_CONTENT_GOES_TOO_NAMES.split())
_LAYOUT = {"align", "bgcolor", "height", "style", "valign", "width"}
_ATTRIBUTES = {
    "*": {"style", "title", "dir", "lang", "align"},
    "a": {"href"},
    "img": {"src", "alt", "border", "hspace", "vspace", *_LAYOUT},
    "table": {"background", "border", "bordercolor", "cellpadding", "cellspacing", "summary", *_LAYOUT},
    "td": {"abbr", "background", "colspan", "nowrap", "rowspan", *_LAYOUT},
    "th": {"abbr", "background", "colspan", "nowrap", "rowspan", "scope", *_LAYOUT},
    "tr": {"background", *_LAYOUT},
    "tbody": _LAYOUT,
    "thead": _LAYOUT,
    "tfoot": _LAYOUT,
    "col": {"span", *_LAYOUT},
    "colgroup": {"span", *_LAYOUT},
    "font": {"color", "face", "size"},
    "hr": {"color", "noshade", "size", *_LAYOUT},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value", "type"},
    "blockquote": {"type"},
    "div": _LAYOUT,
    "p": _LAYOUT,
    "time": {"datetime"},
}
_LOADING = frozenset({"src", "background"})
_IGNORED_IN_URLS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_LINK = re.compile(r"(?:https?://[^/\\]|mailto:).*", re.IGNORECASE | re.DOTALL)
_REMOTE = re.compile(r"https?://[^/\\].*", re.IGNORECASE | re.DOTALL)
_DATA_IMAGE = re.compile(r"data:image/(?:png|gif|jpe?g|webp|avif|bmp);base64,[a-z0-9+/=]*", re.IGNORECASE)
_MAX_PARSED_STYLE_CHARS = 262_144


class SafeHtml(NamedTuple):
    """HTML that may stand in a page, and whether something remote was kept from loading."""

    html: str
    blocked_remote: bool


def sanitise(html: str, *, remote: bool, cid_url: Callable[[str], str | None]) -> SafeHtml | None:
    """The harmless part of ``html``; None where it is too deep or too large to be parsed in bounded time.

    ``cid_url`` gives the address of the part with a content id, or None where the message has no such part. With
    ``remote`` images and backgrounds load from where the sender says, otherwise they are left out.
    """
    if not is_parsable(html):
        return None
    rules = _Rules(remote, cid_url)
    clean = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_CONTENT_GOES_TOO,
        attributes=_ATTRIBUTES,
        attribute_filter=rules.attribute,
        strip_comments=True,
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "cid", "data"},
    )
    return SafeHtml(clean, rules.blocked)


class _Rules:
    """Decides attribute by attribute and remembers what was blocked."""

    def __init__(self, remote: bool, cid_url: Callable[[str], str | None]) -> None:
        self.remote = remote
        self.cid_url = cid_url
        self.blocked = False
        self.style_left = _MAX_PARSED_STYLE_CHARS

    def attribute(self, element: str, name: str, value: str) -> str | None:
        """The value to keep, or None to drop the attribute."""
        if name == "href":
            link = _IGNORED_IN_URLS.sub("", value)
            return link if element == "a" and _LINK.fullmatch(link) else None
        if name in _LOADING:
            return self.loaded(value)
        if name == "style":
            return self.style(value) or None
        return value

    def style(self, value: str) -> str:
        if not is_plain(value):
            self.style_left -= len(value)
        return "" if self.style_left < 0 else harmless_style(value, self.loaded)

    def loaded(self, value: str) -> str | None:
        """The address that an image may load from."""
        address = _IGNORED_IN_URLS.sub("", value)
        if address[:4].lower() == "cid:":
            return self.cid_url(address[4:])
        if _DATA_IMAGE.fullmatch(address):
            return address
        if _REMOTE.fullmatch(address):
            self.blocked = self.blocked or not self.remote
            return address if self.remote else None
        self.blocked = self.blocked or address.startswith(("//", "\\\\"))
        return None
