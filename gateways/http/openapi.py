"""The description of the contract (OpenAPI 3.1), made of the tables of operations."""

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateways.http.operations import Operation
from gateways.http.problems import MEDIA_TYPE, STATUSES
from gateways.http.routing import ID
from gateways.http.shapes import Problem

_REF = "#/components/schemas/{name}"
_ID_SCHEMA = {"type": "string", "pattern": f"^{ID.pattern}$"}
_TITLE = "ledgermail"
_NO_BRACES = str.maketrans("", "", "{}")


def openapi(operations: Sequence[Operation]) -> bytes:
    """The description of these operations, as JSON."""
    named = [*_types(operations), Problem]
    _, components = msgspec.json.schema_components(named, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": importlib.metadata.version("ledgermail"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.encode(document)


def _types(operations: Iterable[Operation]) -> Iterator[Any]:
    for operation in operations:
        if operation.body not in (None, bytes):
            yield operation.body
        for answer in operation.answers.values():
            if isinstance(answer, tuple):
                yield from answer
            elif answer is not None and not isinstance(answer, str):
                yield answer


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.method.lower() + "_".join(operation.path.split("/")).translate(_NO_BRACES),
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": {str(status): _answer(answer) for status, answer in operation.answers.items()}
        | _problems(operation),
    }
    if operation.open_to_strangers:
        described["security"] = []
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {operation.body_media: _content(operation.body)}}
    return described


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for part in operation.path.split("/"):
        if part.startswith("{"):
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": _ID_SCHEMA}


def _query_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    kind = operation.query_type
    if kind is None:
        return
    schema = msgspec.json.schema(kind)
    shape = schema["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for name, described in shape["properties"].items():
        yield {
            "name": name,
            "in": "query",
            "required": name in shape.get("required", ()),
            "schema": _without_null(described),
        }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is left out, never null."""
    left = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    options: list[dict[str, Any]] = [one for one in left.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        return {key: value for key, value in left.items() if key != "anyOf"} | options[0]
    return left


def _header_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.keeps_answers:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        yield {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema}
    if "draft_changed" in operation.errors and operation.method == "PATCH":
        schema = {"type": "string", "pattern": '^"?[0-9]{1,9}"?$'}
        yield {"name": "If-Match", "in": "header", "required": True, "schema": schema}


def _answer(answer: Any) -> dict[str, Any]:
    if answer is None:
        return {"description": "Done"}
    if isinstance(answer, str):
        return {"description": "Done", "content": {answer: {}}}
    return {"description": "Done", "content": {"application/json": _content(answer)}}


def _content(kind: Any) -> dict[str, Any]:
    if kind is bytes:
        return {"schema": {"type": "string", "format": "binary"}}
    if isinstance(kind, tuple):
        return {"schema": {"anyOf": [_content(one)["schema"] for one in kind]}}
    schemas, _ = msgspec.json.schema_components([kind], ref_template=_REF)
    schema: dict[str, Any] = schemas[0]
    return {"schema": schema}


def _problems(operation: Operation) -> dict[str, Any]:
    codes = set(operation.errors) | set(_common(operation))
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(STATUSES[code][0], []).append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in found), "content": content}
        for status, found in sorted(by_status.items())
        if status not in operation.answers
    }


def _common(operation: Operation) -> Iterator[str]:
    yield from ("route_unknown", "method_not_allowed", "unavailable", "overloaded")
    if operation.tag != "operations":
        yield "rate_limited"
    if not operation.open_to_strangers:
        yield "token_invalid"
    if "{" in operation.path:
        yield operation.unknown
    if operation.query_type is not None:
        yield "parameter_invalid"
        if "min_seq" in operation.query_type.__struct_fields__:
            yield from ("sequence_ahead", "behind")
    if operation.body is not None:
        yield from ("body_too_large", "body_timeout", "content_type_unsupported", "request_incomplete")
        yield from ("storage_full", "mailbox_full") if operation.body is bytes else ("json_invalid", "body_invalid")
    if operation.method != "GET":
        yield from ("storage_full", "mailbox_full", "mailbox_unknown")
    if operation.keeps_answers:
        yield from ("idempotency_key_invalid", "idempotency_key_reused")
