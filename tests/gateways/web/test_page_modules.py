"""The page's own modules, run by the browser that they are written for."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from domain.client_fold import ClientFold
from domain.search_highlight import highlight
from domain.search_language import parse
from gateways.web.routes import page_routes
from tests.domain.histories import public_page, random_history, rich_history
from tests.gateways.web.browsing import watched
from tests.gateways.web.serving import serving

pytestmark = pytest.mark.browser

FOLDED = """async ({pages, events, seq}) => {
  const { MailboxFold } = await import("/web/fold.js");
  const fold = new MailboxFold();
  pages.forEach((page) => fold.applySnapshot(page));
  fold.complete = true;
  events.forEach((event) => fold.apply(event));
  return { seq: fold.seq, messages: fold.newestFirst(), labels: fold.labelList() };
}"""
MARKED = """async (highlight) => {
  const { marked } = await import("/web/highlights.js");
  const place = document.createElement("p");
  place.append(...marked(highlight));
  return { text: place.textContent, marks: [...place.querySelectorAll("*")].map((one) => one.outerHTML) };
}"""
FRAMED = """async (chunks) => {
  const { EventFrames } = await import("/web/live.js");
  const frames = new EventFrames();
  return chunks.flatMap((chunk) => frames.push(chunk));
}"""
PEOPLE = """async (text) => (await import("/web/words.js")).readPeople(text)"""


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """Nothing but the page's files, beside an empty document."""
    empty = Route("/empty", lambda _request: HTMLResponse("<!doctype html><title>empty</title>"))
    icon = Route("/favicon.ico", lambda _request: HTMLResponse(""))
    with serving(Starlette(routes=[*page_routes(), empty, icon])) as url:
        yield url


@pytest.fixture(scope="module")
def page(browser: Browser, files: str) -> Iterator[Page]:
    with watched(browser) as tab:
        yield tab.page(f"{files}/empty")


def shown(client: ClientFold) -> dict[str, Any]:
    return {"seq": client.seq, "messages": client.messages(), "labels": [_label(one) for one in client.labels()]}


def folded(page: Page, events: list[dict[str, Any]], pages: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    found = page.evaluate(FOLDED, {"events": events, "pages": list(pages)})
    known = set(client_fields())
    messages = [{name: value for name, value in one.items() if name in known} for one in found["messages"]]
    return {**found, "messages": messages, "labels": [_label(one) for one in found["labels"]]}


def client_fields() -> tuple[str, ...]:
    own = ("id", "thread_id", "received_at", "listed_at", "size", "has_attachment", "labels", "keywords", "seq")
    return (*own, "from", "to", "cc", "subject", "snippet", "date", "attachments", "redacted")


def _label(label: dict[str, Any]) -> dict[str, Any]:
    return {name: label[name] for name in ("id", "name", "parent_id", "path", "total", "unread")}


def by_events(events: list[dict[str, Any]]) -> ClientFold:
    client = ClientFold()
    client.apply_events({"since": 0, "next": len(events), "events": events})
    return client


def test_the_page_folds_every_kind_of_event_as_the_reference_client_does(page: Page) -> None:
    events = public_page(rich_history())["events"]
    for seq in range(1, len(events) + 1, 7):
        assert folded(page, events[:seq]) == shown(by_events(events[:seq]))
    assert folded(page, events) == shown(by_events(events))


@pytest.mark.parametrize("seed", range(8))
def test_the_page_folds_random_histories_as_the_reference_client_does(page: Page, seed: int) -> None:
    events = public_page(random_history(seed))["events"]
    assert folded(page, events) == shown(by_events(events))


@pytest.mark.parametrize("seed", range(4))
def test_a_snapshot_and_the_events_since_lead_to_the_same_and_what_comes_twice_changes_nothing(
    page: Page, seed: int
) -> None:
    events = public_page(random_history(seed))["events"]
    at = random.Random(seed).randint(10, len(events) - 10)
    begun = by_events(events[:at])
    snapshot = {"seq": at, "messages": begun.messages(), "labels": begun.labels(), "cursor": None}
    assert folded(page, events[at - 5 :], (snapshot,)) == shown(by_events(events))


def test_what_the_search_marks_is_marked_and_everything_else_is_text(page: Page) -> None:
    subject = 'Tea & <b>biscuits</b> at "five" o\'clock'
    found = highlight(parse("biscuits five", 0), subject, "").subject
    assert found is not None
    assert page.evaluate(MARKED, found) == {
        "text": subject,
        "marks": ["<mark>biscuits</mark>", "<mark>five</mark>"],
    }


@pytest.mark.parametrize(
    "forged",
    [
        "<img src=x onerror=alert(1)>",
        "<mark>one<mark>two</mark></mark>",
        "<mark onclick=alert(1)>one</mark>",
        "open <mark>end",
        "closed</mark>",
        "&nbsp;&copy;",
        "a < b",
        "<MARK>loud</MARK>",
    ],
)
def test_a_highlight_in_any_other_form_is_shown_as_the_text_that_it_is(page: Page, forged: str) -> None:
    assert page.evaluate(MARKED, forged) == {"text": forged, "marks": []}


def test_server_sent_events_are_read_however_they_are_cut(page: Page) -> None:
    whole = (
        ': hello\n\nid: 7\nevent: A\ndata: {"seq":7,\ndata: "type":"A"}\n\n\r\n'
        'id: 8\r\ndata:{"seq":8}\r\n\r\nretry: 5\n\ndata: {"head":9}\n\n'
    )
    wanted = [{"seq": 7, "type": "A"}, {"seq": 8}]
    assert page.evaluate(FRAMED, [whole]) == wanted
    assert page.evaluate(FRAMED, list(whole)) == wanted
    for size in (2, 3, 5, 17):
        assert page.evaluate(FRAMED, [whole[at : at + size] for at in range(0, len(whole), size)]) == wanted
    assert page.evaluate(FRAMED, [whole[:40]]) == []


def test_recipients_are_read_as_people_write_them(page: Page) -> None:
    typed = 'ada@example.test, "King, William" <w@example.test>; Mary <mary@example.test>,, '
    assert page.evaluate(PEOPLE, typed) == [
        {"name": "", "address": "ada@example.test"},
        {"name": "King, William", "address": "w@example.test"},
        {"name": "Mary", "address": "mary@example.test"},
    ]
