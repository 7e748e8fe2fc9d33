"""A browser for tests: Debian's chromium, and what a page must never do while it is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LOOPBACK = {"127.0.0.1", "localhost"}


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """Pages of one context: their console errors, uncaught errors, dialogs, and requests that leave loopback."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.left_loopback: list[str] = []
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        context.on("request", self._asked)

    def page(self, url: str) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.goto(url)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("blob", "data", "about") and address.hostname not in LOOPBACK:
            self.left_loopback.append(request.url)


@contextmanager
def watched(browser: Browser, **options: object) -> Iterator[Watched]:
    """A context of its own; whatever it complained of fails the test."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    watch = Watched(context)
    try:
        yield watch
        assert watch.complaints == []
        assert watch.left_loopback == []
    finally:
        context.close()
