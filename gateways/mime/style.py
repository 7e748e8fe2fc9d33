"""Inline CSS that may stay: a list of harmless properties whose values load nothing."""

import re
from collections.abc import Callable

import tinycss2  # type: ignore[import-untyped]

MAX_STYLE_CHARS = 8_192
_MAX_NESTING_SIGNS = 32
_KEPT_NAMES = (
    "background background-color background-image background-position background-repeat background-size "
    "border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse "
    "border-color border-left border-left-color border-left-style border-left-width border-radius "
    "border-right border-right-color border-right-style border-right-width border-spacing border-style "
    "border-top border-top-color border-top-style border-top-width border-width caption-side clear color "
    "direction display empty-cells float font font-family font-size font-style font-variant font-weight "
    "height letter-spacing line-height list-style-position list-style-type margin margin-bottom "
    "margin-left margin-right margin-top max-height max-width min-height min-width opacity overflow-wrap "
    "padding padding-bottom padding-left padding-right padding-top table-layout text-align "
    "text-decoration text-indent text-transform unicode-bidi vertical-align visibility white-space width "
    "word-break word-spacing word-wrap"
)
_KEPT = frozenset(_KEPT_NAMES.split())
_FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla", "calc", "min", "max"})
_PLAIN = re.compile(r"\s*([a-z-]+)\s*:\s*([\w#%., !-]+)\s*", re.ASCII)

MayLoad = Callable[[str], str | None]
"""The address to load instead of one that a sender wrote, or None to load nothing."""


def harmless_style(style: str, may_load: MayLoad) -> str:
    """The declarations of ``style`` that are harmless, in their order; what loads something asks ``may_load`` first."""
    if len(style) > MAX_STYLE_CHARS or sum(map(style.count, "([{")) > _MAX_NESTING_SIGNS:
        return ""
    plain = _if_plain(style)
    return _by_parsing(style, may_load) if plain is None else plain


def is_plain(style: str) -> bool:
    """Whether ``harmless_style`` needs no parser for it."""
    return _if_plain(style) is not None


def _if_plain(style: str) -> str | None:
    """The common case, words and numbers only; None where a parser has to look."""
    kept = []
    for declaration in style.split(";"):
        if not declaration.strip():
            continue
        found = _PLAIN.fullmatch(declaration.lower())
        if found is None:
            return None
        if found[1] in _KEPT:
            kept.append(f"{found[1]}: {found[2].strip()}")
    return "; ".join(kept)


def _by_parsing(style: str, may_load: MayLoad) -> str:
    kept = []
    for node in tinycss2.parse_declaration_list(style, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration" or node.lower_name not in _KEPT:
            continue
        value = _value(node.value, may_load)
        if value is not None:
            kept.append(f"{node.lower_name}: {value}")
    return "; ".join(kept)


def _value(tokens: list[tinycss2.ast.Node], may_load: MayLoad) -> str | None:
    """The value as text, or None where any of it is not known to be harmless."""
    out = []
    for token in tokens:
        text = _token(token, may_load)
        if text is None:
            return None
        out.append(text)
    return "".join(out).strip()


def _token(token: tinycss2.ast.Node, may_load: MayLoad) -> str | None:
    if token.type in ("ident", "number", "dimension", "percentage", "hash", "string"):
        return str(token.serialize())
    if token.type in ("whitespace", "comment"):
        return " "
    if token.type == "literal":
        return token.value if token.value in (",", "/", "+", "-", "*") else None
    if token.type == "function" and token.lower_name == "url":
        strings = [argument.value for argument in token.arguments if argument.type == "string"]
        return _url(strings[0], may_load) if strings else None
    if token.type == "function" and token.lower_name in _FUNCTIONS:
        inner = _value(token.arguments, may_load)
        return None if inner is None else f"{token.lower_name}({inner})"
    return _url(token.value, may_load) if token.type == "url" else None


def _url(address: str, may_load: MayLoad) -> str | None:
    allowed = may_load(address)
    if allowed is None or not re.fullmatch(r"[!#-&*-\[\]-~]+", allowed):
        return None
    return f'url("{allowed}")'
