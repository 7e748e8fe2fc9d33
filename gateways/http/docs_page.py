"""`/docs`: the contract as a page that loads nothing else."""

from collections.abc import Iterable, Sequence
from html import escape

from gateways.http.operations import Operation
from gateways.http.problems import STATUSES

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8884;padding:.4rem;text-align:left;"
    "vertical-align:top}code{font-size:.9em}:root{color-scheme:light dark}"
)
_INTRODUCTION = (
    "Errors are problem documents (RFC 9457) with a stable <code>code</code>. Sign in with "
    "<code>POST /v1/sessions</code> and send <code>Authorization: Bearer TOKEN</code>. The whole description, for "
    'programs, is <a href="/openapi.json">/openapi.json</a>; events are in '
    '<a href="/v1/events/schema">/v1/events/schema</a>.'
)


def docs_page(operations: Sequence[Operation]) -> bytes:
    """The page, HTML in UTF-8."""
    tags = dict.fromkeys(operation.tag for operation in operations)
    tables = "".join(_table(tag, [one for one in operations if one.tag == tag]) for tag in tags)
    codes = "".join(f"<tr><td><code>{c}</code><td>{s}<td>{escape(t)}" for c, (s, t) in STATUSES.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>ledgermail: the HTTP contract</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>ledgermail: the HTTP contract</h1><p>{_INTRODUCTION}</p>{tables}"
        f"<h2>codes</h2><table><tr><th>code<th>status<th>meaning{codes}</table></html>"
    ).encode()


def _table(tag: str, operations: Iterable[Operation]) -> str:
    rows = "".join(
        f"<tr><td><code>{one.method} {escape(one.path)}</code><td>{escape(one.summary)}<td>{_takes(one)}"
        f"<td>{', '.join(map(str, one.answers))} {_codes(one)}"
        for one in operations
    )
    return f"<h2>{escape(tag)}</h2><table><tr><th>call<th>what<th>takes<th>answers{rows}</table>"


def _takes(operation: Operation) -> str:
    names = operation.query_type.__struct_fields__ if operation.query_type is not None else ()
    query = [f"<code>?{escape(name)}</code>" for name in names]
    fields = getattr(operation.body, "__struct_encode_fields__", ())
    return " ".join([*query, *(f"<code>{escape(name)}</code>" for name in fields)])


def _codes(operation: Operation) -> str:
    return " ".join(f"<code>{escape(code)}</code>" for code in operation.errors)
