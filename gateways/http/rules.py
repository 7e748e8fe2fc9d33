"""Filters, the Sieve script and the automatic reply: kept as their owner put them, checked; run by delivery."""

from typing import Any

import msgspec

from domain.decisions import ReplaceRules, ReplaceScript, SetVacation
from gateways.filtering.json_rules import faults_of
from gateways.filtering.shapes import Rules, Script, Vacation
from gateways.http.messages import moment
from gateways.http.operations import Answer, Call, Operation, Reached, Read
from gateways.http.problems import ProblemError
from gateways.sieve.checking import ScriptInvalidError, program_of


def read_rules(call: Call[Read, None]) -> Answer:
    """Empty until they are put."""
    return _document(call, "rules", Rules(rules=()))


def put_rules(call: Call[None, Rules]) -> Answer:
    """They replace those before; the script stays."""
    for number, rule in enumerate(call.body.rules):
        for fault in faults_of(rule):
            raise ProblemError("rules_invalid", f"{fault} - at `$.rules[{number}]`")
    encoded = msgspec.json.encode(call.body)
    return call.written(
        ReplaceRules(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, rules=encoded)
    )


def read_script(call: Call[Read, None]) -> Answer:
    """Empty until it is put."""
    return _document(call, "script", Script(script=""))


def put_script(call: Call[None, Script]) -> Answer:
    """It replaces the one before and runs after the rules. Every fault is told with its line."""
    try:
        program_of(call.body.script)
    except ScriptInvalidError as error:
        faults = [{"line": fault.line, "message": fault.message} for fault in error.faults]
        raise ProblemError("script_invalid", str(error.faults[0]), errors=faults) from error
    return call.written(
        ReplaceScript(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, script=call.body.script)
    )


def read_vacation(call: Call[Read, None]) -> Answer:
    """Disabled until it is put."""
    return _document(call, "vacation", Vacation(enabled=False))


def put_vacation(call: Call[None, Vacation]) -> Answer:
    """It replaces the one before."""
    asked = call.body
    given = {"from_at": asked.from_at, "until_at": asked.until_at}
    times = [moment(text, name=name, code="vacation_invalid") for name, text in given.items() if text is not None]
    if times != sorted(times):
        raise ProblemError("vacation_invalid", "it ends before it begins")
    encoded = msgspec.json.encode(asked)
    return call.written(
        SetVacation(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, vacation=encoded)
    )


def _document(call: Call[Read, None], kind: str, default: Any) -> Answer:
    for _, body in call.parts.facts.documents(call.mailbox_id, kind):
        return Answer(bytes(body))
    return Answer(msgspec.json.encode(default))


def _get(path: str, summary: str, run: Any, kind: Any) -> Operation:
    return Operation(method="GET", path=path, summary=summary, run=run, answers={200: kind}, tag="accounts")


def _put(path: str, summary: str, run: Any, kind: Any, error: str) -> Operation:
    return Operation(
        method="PUT",
        path=path,
        summary=summary,
        run=run,
        body=kind,
        answers={200: Reached},
        errors=(error,),
        tag="accounts",
    )


OPERATIONS = (
    _get("/v1/rules", "The filters", read_rules, Rules),
    _put("/v1/rules", "Replace the filters", put_rules, Rules, "rules_invalid"),
    _get("/v1/rules/script", "The Sieve script that runs after the filters", read_script, Script),
    _put("/v1/rules/script", "Replace the Sieve script", put_script, Script, "script_invalid"),
    _get("/v1/vacation", "The automatic reply", read_vacation, Vacation),
    _put("/v1/vacation", "Replace the automatic reply", put_vacation, Vacation, "vacation_invalid"),
)
