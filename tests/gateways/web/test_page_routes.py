"""The page's files: whole, under their policy, and asked for again only when they changed."""

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gateways.web.routes import FOLDER, MAIL_POLICY, REMOTE_MAIL_POLICY, page_routes


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[*page_routes()]))


def test_the_page_lets_no_script_and_no_style_in_that_is_not_a_file_of_its_own(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "img-src 'self' data: blob:" in policy
    assert "frame-src 'self'" in policy
    assert "require-trusted-types-for 'script'" in policy


def test_the_page_itself_holds_no_inline_script_style_or_handler() -> None:
    for page in FOLDER.glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text), page.name


def test_no_file_of_the_page_names_another_host() -> None:
    for path in FOLDER.iterdir():
        named = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text()))
        assert named <= {"http://www.w3.org"}, path.name


def test_no_module_makes_markup_of_a_string() -> None:
    for path in FOLDER.glob("*.js"):
        forbidden = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
        )
        assert forbidden is None, path.name


def test_every_module_that_another_imports_is_served(client: TestClient) -> None:
    for path in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([\w.]+)"', path.read_text()):
            assert client.get(f"/web/{name}").headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(("path", "policy"), [("mail.html", MAIL_POLICY), ("mail-remote.html", REMOTE_MAIL_POLICY)])
def test_the_frame_of_a_mail_runs_nothing(client: TestClient, path: str, policy: str) -> None:
    given = client.get(f"/web/{path}").headers["content-security-policy"]
    assert given == policy
    assert "default-src 'none'" in given
    assert "sandbox" in given
    assert "allow-scripts" not in given


def test_only_the_frame_with_consent_loads_images_from_elsewhere() -> None:
    assert "https:" not in MAIL_POLICY
    assert "img-src 'self' data: blob: http: https:" in REMOTE_MAIL_POLICY


def test_a_file_that_the_browser_holds_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/web/page.js")
    tag = first.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/web/page.js", headers={"if-none-match": asked})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert client.get("/web/page.js", headers={"if-none-match": '"other"'}).content == first.content


def test_what_is_no_file_of_the_page_is_not_found(client: TestClient) -> None:
    for path in ("/web/", "/web/routes.py", "/web/../routes.py", "/web/%2e%2e/routes.py", "/index.html"):
        assert client.get(path).status_code == 404


def test_nothing_can_be_written_to_the_page(client: TestClient) -> None:
    assert client.post("/").status_code == 405


def test_the_page_may_go_to_the_store_of_attachments_and_nowhere_else() -> None:
    store = "https://files.example.test"
    client = TestClient(Starlette(routes=[*page_routes(store)]))
    policy = {path: client.get(path).headers["content-security-policy"] for path in ("/", "/web/mail.html")}
    assert policy["/"].endswith(f"; connect-src 'self' {store}")
    for found in policy.values():
        assert f"img-src 'self' {store} data: blob:;" in found
        assert found.count(store) == 1 + ("connect-src" in found)
    assert "connect-src" not in policy["/web/mail.html"]
