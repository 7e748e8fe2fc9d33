"""The page on a whole installation, used as a person uses it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.conftest import temporary_data_folder
from tests.gateways.web.browsing import Watched, watched
from tests.gateways.web.mails import HOSTILE_HTML, HOSTILE_TEXT, mail
from tests.gateways.web.site import PASSWORD, Site, running_site

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True}


@pytest.fixture(scope="module")
def site(module_database_url: str) -> Iterator[Site]:
    with temporary_data_folder() as folder, running_site(module_database_url, folder) as running:
        yield running


@pytest.fixture(scope="module")
def ada(site: Site) -> str:
    """An account with three mails."""
    address = site.account("ada", "Ada Lovelace")
    site.receive(mail("Notes on the engine", "Dear Ada, the cards are cut.\n"), address)
    site.receive(mail("Dinner on Thursday", "Will you come? See https://example.test/menu.\n"), address)
    site.receive(mail("With a file", "See the file.\n", file="drawing.txt"), address)
    return address


def sign_in(page: Page, address: str, password: str = PASSWORD) -> None:
    page.get_by_label("Address").fill(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def opened(tab: Watched, site: Site, address: str) -> Page:
    """The page, signed in and live."""
    page = tab.page(site.url)
    sign_in(page, address)
    expect(page.locator("#position")).to_contain_text("live")
    return page


def row(page: Page, subject: str) -> Locator:
    return page.locator(".row", has=page.locator(".row-subject", has_text=subject))


def open_row(page: Page, subject: str) -> None:
    row(page, subject).locator(".row-open").click()
    expect(page.locator(".conversation-title")).to_have_text(subject)


def events(page: Page, kind: str) -> Locator:
    return page.locator(".event", has=page.locator(".event-type", has_text=kind))


def label(page: Page, name: str) -> Locator:
    return page.locator(".label-line", has=page.locator(".label-name", has_text=name))


@contextmanager
def another_tab(browser: Browser, **options: Any) -> Iterator[Watched]:
    with watched(browser, **options) as made:
        yield made


def test_one_signs_in_sees_mail_opens_it_and_it_becomes_read(tab: Watched, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    expect(row(page, "Dinner on Thursday")).to_have_class("row unread")
    open_row(page, "Dinner on Thursday")
    expect(page.locator(".text-body")).to_contain_text("Will you come?")
    expect(page.locator(".text-body a")).to_have_attribute("href", "https://example.test/menu")
    expect(row(page, "Dinner on Thursday")).not_to_have_class("row unread open")
    expect(events(page, "KeywordsChanged").first).to_contain_text("Read: Dinner on Thursday")


def test_a_wrong_password_says_what_to_do_and_lets_nobody_in(browser: Browser, site: Site, ada: str) -> None:
    context = browser.new_context()
    page = Watched(context).page(site.url)
    sign_in(page, ada, "wrong")
    expect(page.locator("#sign-in-problem")).to_contain_text("Check both and try again")
    expect(page.locator("#mailbox")).to_be_hidden()
    context.close()


def test_a_stranger_opens_an_account_and_signs_out_again(tab: Watched, site: Site) -> None:
    page = tab.page(site.url)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Address").fill("mary@example.test")
    page.get_by_label("Your name").fill("Mary Somerville")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    expect(page.locator("#position")).to_contain_text("live")
    expect(page.locator("#list-end")).to_have_text("Nothing here.")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_new_mail_and_its_event_appear_by_themselves(tab: Watched, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    before = page.locator("#position").inner_text()
    site.receive(mail("It just arrived"), ada)
    expect(row(page, "It just arrived")).to_be_visible()
    arrived = events(page, "MessageDelivered").first
    expect(arrived).to_contain_text("Mail from Bob: It just arrived")
    expect(page.locator("#position")).not_to_have_text(before)
    arrived.get_by_role("button").click()
    expect(arrived.locator(".event-json")).to_contain_text('"type": "MessageDelivered"')


def test_a_reload_keeps_the_session_and_shows_the_same(tab: Watched, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    shown = page.locator("#position").inner_text()
    page.reload()
    expect(page.locator("#position")).to_have_text(shown)
    expect(row(page, "Notes on the engine")).to_be_visible()


def test_what_came_while_the_line_was_down_is_there_once_it_is_up(browser: Browser, site: Site, ada: str) -> None:
    context = browser.new_context()
    page = opened(Watched(context), site, ada)
    context.set_offline(True)
    expect(page.locator("#position")).to_contain_text("offline")
    site.receive(mail("Meanwhile"), ada)
    context.set_offline(False)
    expect(page.locator("#position")).to_contain_text("live")
    expect(row(page, "Meanwhile")).to_be_visible()
    context.close()


def test_a_log_with_another_history_is_read_anew_from_its_snapshot(browser: Browser, site: Site, ada: str) -> None:
    context = browser.new_context()
    page = opened(Watched(context), site, ada)
    snapshots: list[str] = []
    page.on("request", lambda request: snapshots.append(request.url) if "/v1/snapshot" in request.url else None)
    page.route("**/v1/sync?*hash=*", _with_another_hash, times=1)
    context.set_offline(True)
    expect(page.locator("#position")).to_contain_text("offline")
    context.set_offline(False)
    expect(page.locator("#position")).to_contain_text("live")
    assert snapshots
    expect(row(page, "Notes on the engine")).to_be_visible()
    context.close()


def _with_another_hash(route: Route) -> None:
    """As if the server had been restored from a backup: the hash kept is none of its log."""
    route.continue_(url=re.sub(r"hash=[0-9a-f]+", "hash=" + "0" * 64, route.request.url))


def test_images_from_elsewhere_are_asked_for_only_with_consent(browser: Browser, site: Site) -> None:
    address = site.account("greta", "Greta")
    site.receive(mail("Pictures", html='<p>look</p><img src="https://pictures.example/one.gif">'), address)
    context = browser.new_context()
    tab = Watched(context)
    context.route("https://pictures.example/*", lambda route: route.abort())
    page = opened(tab, site, address)
    open_row(page, "Pictures")
    expect(page.frame_locator(".mail-frame").locator("p")).to_have_text("look")
    assert tab.left_loopback == []
    with context.expect_event("request", lambda request: "pictures.example" in request.url):
        page.get_by_role("button", name="Show images").click()
    context.close()


def test_a_star_set_in_one_window_shows_in_another(tab: Watched, browser: Browser, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    with another_tab(browser) as elsewhere:
        other = opened(elsewhere, site, ada)
        row(page, "Notes on the engine").get_by_label("Star: Notes on the engine").click()
        star = row(other, "Notes on the engine").locator(".row-star")
        expect(star).to_have_attribute("aria-pressed", "true")


def test_a_nested_label_is_made_and_put_on_what_is_selected(tab: Watched, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    page.get_by_role("button", name="New label").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Projects/Engine")
    page.get_by_role("button", name="Make").click()
    expect(label(page, "Engine")).to_have_attribute("data-depth", "1")
    row(page, "Notes on the engine").get_by_role("checkbox").check()
    page.get_by_role("toolbar").get_by_role("button", name="Label").first.click()
    page.get_by_role("checkbox", name="Projects/Engine").check()
    page.get_by_role("button", name="Done").click()
    expect(row(page, "Notes on the engine").locator(".label-chip")).to_have_text("Engine")
    label(page, "Engine").get_by_role("button").first.click()
    expect(page.locator("#list-title")).to_have_text("Engine")
    expect(page.locator(".row")).to_have_count(1)


def test_several_are_archived_at_once_and_come_back_by_undo(tab: Watched, site: Site) -> None:
    page = opened(tab, site, _with_mails(site, "carl", "One", "Two", "Three"))
    for subject in ("One", "Two"):
        row(page, subject).get_by_role("checkbox").check()
    page.locator("#list-tools").get_by_role("button", name="Archive").click()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".row")).to_have_count(3)


def test_the_keys_alone_read_star_and_delete(tab: Watched, site: Site) -> None:
    page = opened(tab, site, _with_mails(site, "dora", "First", "Second"))
    expect(page.locator(".row")).to_have_count(2)
    page.keyboard.press("j")
    focused = page.locator(".row", has=page.locator(".row-open:focus"))
    subject = focused.locator(".row-subject").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".conversation-title")).to_have_text(subject)
    page.keyboard.press("s")
    expect(row(page, subject).locator(".row-star")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("#")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".nothing-open")).to_be_visible()
    expect(events(page, "LabelsChanged").first).to_contain_text("Moved from Inbox to Trash")


def test_a_search_marks_what_it_found(tab: Watched, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    found = page.locator(".row mark")
    page.get_by_role("searchbox").fill("engine")
    expect_soon(page, lambda: page.get_by_role("searchbox").press("Enter"), found)
    expect(found.first).to_have_text("engine")
    page.get_by_role("searchbox").press("Escape")
    expect(page.locator("#list-title")).to_have_text("Inbox")


def test_a_reply_is_kept_as_a_draft_sent_and_received(tab: Watched, browser: Browser, site: Site, ada: str) -> None:
    eve = site.account("eve", "Eve")
    site.receive(mail("A question", "Can it?\n", sender=f"Eve <{eve}>"), ada)
    page = opened(tab, site, ada)
    with another_tab(browser) as elsewhere:
        other = opened(elsewhere, site, eve)
        open_row(page, "A question")
        page.get_by_role("button", name="Reply", exact=True).click()
        composer = page.get_by_role("dialog")
        expect(composer.get_by_role("combobox", name="To")).to_have_value(f"Eve <{eve}>")
        composer.get_by_label("Text").press_sequentially("It can.")
        expect(composer.get_by_role("status")).to_have_text("Draft saved")
        expect(events(page, "DraftSaved").first).to_contain_text("revision 1")
        composer.get_by_label("Text").press_sequentially(" Indeed.")
        expect(events(page, "DraftSaved").first).to_contain_text("revision 2")
        composer.get_by_role("button", name="Send").click()
        expect(page.locator(".toast")).to_contain_text("Sending to 1 recipient")
        expect(row(other, "Re: A question")).to_be_visible()
        expect(events(page, "RecipientReported").first).to_contain_text(f"Delivered: {eve}")
        expect(page.locator(".message")).to_have_count(2)
        open_row(other, "Re: A question")
        expect(other.locator(".text-body")).to_contain_text("It can. Indeed.")


def test_what_became_of_each_recipient_stands_with_what_one_sent(tab: Watched, site: Site) -> None:
    eve = site.account("eva", "Eva")
    page = opened(tab, site, site.account("fay", "Fay"))
    page.keyboard.press("c")
    composer = page.get_by_role("dialog")
    composer.get_by_role("combobox", name="To").fill(f"{eve}, nobody@example.test")
    composer.get_by_label("Subject").fill("For two")
    composer.get_by_role("button", name="Send").click()
    expect(events(page, "RecipientReported")).to_have_count(2)
    page.get_by_role("button", name="Sent", exact=True).click()
    open_row(page, "For two")
    page.get_by_text("Details", exact=True).first.click()
    fates = page.get_by_role("list", name="What became of it").get_by_role("listitem")
    expect(fates).to_have_count(2)
    expect(fates.first).to_have_text(f"{eve} delivered")
    expect(fates.last).to_contain_text("nobody@example.test could not be delivered (550 5.1.1")


def test_sending_is_undone_and_the_draft_with_its_file_is_back(tab: Watched, site: Site, ada: str) -> None:
    page = opened(tab, site, ada)
    page.keyboard.press("c")
    composer = page.get_by_role("dialog")
    composer.get_by_role("combobox", name="To").fill(ada)
    composer.get_by_label("Subject").fill("Too early")
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"a few notes"}
    composer.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(composer.locator(".attachment")).to_contain_text("11 B")
    composer.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Undo").click()
    expect(composer.get_by_label("Subject")).to_have_value("Too early")
    expect(composer.locator(".attachment")).to_contain_text("notes.txt")
    composer.get_by_role("button", name="Throw the draft away").click()
    expect(events(page, "DraftDiscarded").first).to_contain_text("Draft thrown away")


def test_an_attachment_is_downloaded_as_it_came(tab: Watched, site: Site, ada: str, tmp_path: Path) -> None:
    page = opened(tab, site, ada)
    open_row(page, "With a file")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download drawing.txt").click()
    downloading.value.save_as(tmp_path / "drawing.txt")
    assert downloading.value.suggested_filename == "drawing.txt"
    assert (tmp_path / "drawing.txt").read_text() == "what is in the file"


def test_a_hostile_mail_runs_nothing_and_loads_nothing(tab: Watched, site: Site) -> None:
    address = site.account("frida", "Frida")
    sender = f'"{HOSTILE_TEXT[:28].replace(chr(34), "")}" <evil@elsewhere.test>'
    site.receive(mail(HOSTILE_TEXT, HOSTILE_TEXT, sender=sender, html=HOSTILE_HTML), address)
    page = opened(tab, site, address)
    page.locator(".row-open").click()
    inside = page.frame_locator(".mail-frame")
    expect(inside.locator("h1")).to_have_text("A kept heading")
    inside.get_by_text("press me").click()
    assert inside.locator("script, iframe, form, style, link[href*=evil], base, svg, [onerror]").count() == 0
    assert page.evaluate("window.attacked") is None
    expect(page.locator(".conversation-title")).to_have_text(HOSTILE_TEXT)
    expect(page.locator(".consent")).to_be_visible()
    expect(page.locator("iframe")).not_to_have_attribute("sandbox", "allow-scripts")


def test_a_frame_lets_no_script_run_even_where_the_sanitiser_had_failed(tab: Watched, site: Site, ada: str) -> None:
    page = tab.page(site.url)
    ran = page.evaluate(
        """async () => {
          const { mailFrame } = await import("/web/mail_frame.js");
          const html = '<p>shown</p><script>top.attacked = 1<' + '/script><form><button>go</button></form>';
          const frame = mailFrame(html, { remote: false, title: "x" });
          document.body.append(frame);
          await new Promise((done) => frame.addEventListener("load", done));
          return [frame.contentDocument.querySelector("p").textContent, window.attacked ?? null];
        }"""
    )
    assert ran == ["shown", None]
    tab.complaints.clear()  # the browser says that it blocked the script


def test_a_phone_shows_one_pane_at_a_time(browser: Browser, site: Site, ada: str) -> None:
    with another_tab(browser, **PHONE) as phone:
        page = opened(phone, site, ada)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_role("button", name="Labels").click()
        expect(page.locator("#message-list")).to_be_hidden()
        page.locator(".label-open", has_text="Inbox").click()
        open_row(page, "Dinner on Thursday")
        expect(page.locator("#message-list")).to_be_hidden()
        page.get_by_role("button", name="Back to the list").click()
        expect(row(page, "Dinner on Thursday")).to_be_visible()
        page.locator("#events-toggle").click()
        expect(page.locator("#event-list")).to_be_visible()


def _with_mails(site: Site, localpart: str, *subjects: str) -> str:
    address = site.account(localpart, localpart.title())
    for subject in subjects:
        site.receive(mail(subject), address)
    return address


def expect_soon(page: Page, again: Any, wanted: Locator) -> None:
    """The search index follows the log: ask until it shows."""
    for _ in range(20):
        again()
        if wanted.first.is_visible() or _appears(page, wanted):
            return
    pytest.fail("the search never found it")


def _appears(page: Page, wanted: Locator) -> bool:
    page.wait_for_function("document.querySelector('#list-count').textContent !== 'searching …'")
    return wanted.first.is_visible()
