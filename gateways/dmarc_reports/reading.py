"""A report out of its XML, of RFC 9990 or RFC 7489, in any namespace; what a stranger may write there is bounded.

Expat reads it, without a document type: so there are no entities to expand or fetch. Elements are known by their path;
those that nobody asks about are passed over.
"""

from collections import defaultdict
from typing import Final
from xml.parsers import expat  # with a handler that refuses every DTD

from gateways.dmarc_reports.report import Policy, Proof, Report, Row
from gateways.dmarc_reports.unpacking import ReportUnreadableError

MAX_DEPTH: Final = 30
MAX_TEXT_CHARS: Final = 2000
MAX_ROWS: Final = 100_000
MAX_PROOFS: Final = 100
"""Results of one row."""
MAX_PATHS: Final = 200
MAX_ELEMENTS: Final = 2_000_000
"""In all: as many as the most records have, each about twenty."""
_RECORD = "feedback/record"
_DKIM = f"{_RECORD}/auth_results/dkim"
_SPF = f"{_RECORD}/auth_results/spf"
_NAMESPACE_END = "}"


def read_report(xml: bytes) -> Report:
    """What the report says.

    Raises: ReportUnreadableError
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=_NAMESPACE_END)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.starts
    parser.EndElementHandler = reader.ends
    parser.CharacterDataHandler = reader.says
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise ReportUnreadableError(f"it is no XML: {error}") from None
    except (LookupError, UnicodeError) as error:  # an encoding that nobody knows
        raise ReportUnreadableError(f"it is no XML: {error}") from None
    return reader.report()


def _refuse_doctype(*_: object) -> None:
    raise ReportUnreadableError("it declares a document type, which no report has")


class _Reader:
    """Gathers texts by the path of their elements; a record's become a row when it ends."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text = ""
        self._head: dict[str, str] = {}
        self._record: defaultdict[str, str] = defaultdict(str)
        self._proofs: list[Proof] = []
        self._rows: list[Row] = []
        self._elements = 0

    def starts(self, name: str, _attributes: object) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise ReportUnreadableError(f"it has more than {MAX_ELEMENTS} elements")
        self._path.append(name.rpartition(_NAMESPACE_END)[2])
        self._text = ""
        if len(self._path) > MAX_DEPTH:
            raise ReportUnreadableError(f"its elements are nested more than {MAX_DEPTH} deep")
        if self._path == ["feedback", "record"] and len(self._rows) >= MAX_ROWS:
            raise ReportUnreadableError(f"it has more than {MAX_ROWS} records")

    def says(self, text: str) -> None:
        self._text += text[: MAX_TEXT_CHARS - len(self._text)]

    def ends(self, _name: str) -> None:
        path = "/".join(self._path)
        self._path.pop()
        text, self._text = _one_line(self._text), ""
        if path in (_DKIM, _SPF):
            self._add_proof(path)
        elif path == _RECORD:
            self._add_row()
        elif path.startswith(f"{_RECORD}/"):
            _keep(self._record, path.removeprefix(f"{_RECORD}/"), text)
        else:
            _keep(self._head, path.removeprefix("feedback/"), text)

    def report(self) -> Report:
        head = defaultdict(str, self._head)
        if "feedback" not in head or not head["policy_published/domain"]:
            raise ReportUnreadableError("it is XML, but no aggregate report")
        return Report(
            organization=head["report_metadata/org_name"],
            email=head["report_metadata/email"],
            report_id=head["report_metadata/report_id"],
            begin=_number(head["report_metadata/date_range/begin"]),
            end=_number(head["report_metadata/date_range/end"]),
            policy=_policy(head),
            rows=tuple(self._rows),
        )

    def _add_proof(self, path: str) -> None:
        method = path.rpartition("/")[2]
        told = [self._record.pop(f"auth_results/{method}/{name}", "") for name in _PROOF[method]]
        if len(self._proofs) < MAX_PROOFS:
            self._proofs.append(Proof(method, *told))

    def _add_row(self) -> None:
        told = self._record
        self._rows.append(
            Row(
                source_ip=told["row/source_ip"],
                count=_number(told["row/count"]),
                disposition=told["row/policy_evaluated/disposition"],
                dkim=told["row/policy_evaluated/dkim"],
                spf=told["row/policy_evaluated/spf"],
                reason=told["row/policy_evaluated/reason/type"],
                header_from=told["identifiers/header_from"],
                envelope_from=told["identifiers/envelope_from"],
                proofs=tuple(self._proofs),
            )
        )
        self._record = defaultdict(str)
        self._proofs = []


_PROOF: Final = {"dkim": ("domain", "result", "selector"), "spf": ("domain", "result", "scope")}


def _keep(texts: dict[str, str], path: str, text: str) -> None:
    """The first of its path; no more of them than any report has."""
    if len(texts) < MAX_PATHS or path in texts:
        texts.setdefault(path, text)


def _policy(head: defaultdict[str, str]) -> Policy:
    def published(name: str) -> str:
        return head[f"policy_published/{name}"]

    return Policy(
        domain=published("domain"),
        policy=published("p"),
        subdomains=published("sp"),
        missing=published("np"),
        dkim_alignment=published("adkim"),
        spf_alignment=published("aspf"),
        testing=published("testing"),
    )


def _number(text: str) -> int:
    """A count or a time; some write times with a fraction."""
    digits = text.partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else 0


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).strip()
