"""The whole contract under generated input: whatever comes, no answer is a 500 and each is as described."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.http_house import House, Person, mail

EXAMPLES = 20
_LEFT_OUT = {"GET /v1/ws", "DELETE /v1/sessions/current", "DELETE /v1/sessions/{session_id}"}
"""What speaks another protocol, or would sign the test out."""
schemathesis.serializer.alias("message/rfc822", "application/octet-stream")
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_generated_requests_are_answered_as_described(house: House) -> None:
    ann = house.person("ann")
    ann.bring(mail("Something to find"))
    schema = schemathesis.openapi.from_dict(house.http.get("/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    tried = [operation for operation in operations if operation.label not in _LEFT_OUT]
    assert len(tried) > 55
    for operation in tried:
        _try(operation, house, ann)


def _try(operation: schemathesis.APIOperation, house: House, ann: Person) -> None:
    right = operation.as_strategy(GenerationMode.POSITIVE)
    wrong = operation.as_strategy(GenerationMode.NEGATIVE)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(right, wrong))
    def check(case: schemathesis.Case) -> None:
        if case.query and "wait" in case.query:
            case.query["wait"] = "0"
        headers = {"Authorization": f"Bearer {ann.token}"} | dict(case.headers or {})
        answer = case.call(base_url=house.url, headers=headers, timeout=20)
        case.validate_response(answer, checks=_CHECKS)

    check()
