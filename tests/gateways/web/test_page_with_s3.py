"""The page where attachments travel straight between the browser and S3: its policy and the bucket's let them."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Request, expect

from infra.s3_bucket import Bucket
from tests.conftest import temporary_data_folder
from tests.gateways.web.browsing import Watched
from tests.gateways.web.site import PASSWORD, Site, running_site
from tests.servers import fresh_bucket, setting

pytestmark = [pytest.mark.servers, pytest.mark.browser]
HEADERS = ["content-type", "x-amz-checksum-sha256", "x-amz-server-side-encryption"]
"""As docs/deploy.md asks for."""
FILE = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with fresh_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def site(module_database_url: str, bucket: Bucket) -> Iterator[Site]:
    names = ("ENDPOINT", "REGION", "ACCESS_KEY", "SECRET_KEY")
    server = {f"LEDGERMAIL_S3_{name}": setting(f"S3_{name}") for name in names}
    mine = server | {"LEDGERMAIL_BLOBS": "s3", "LEDGERMAIL_S3_BUCKET": bucket.name}
    with temporary_data_folder() as folder, running_site(module_database_url, folder, **mine) as running:
        rule = {"AllowedOrigins": [running.url], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": HEADERS}
        bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration={"CORSRules": [rule]})
        yield running


def picture() -> bytes:
    """A PNG that is large enough to be an object of its own."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    side = 200
    rows = b"".join(b"\0" + bytes((x * y * 31 + x) % 256 for x in range(3 * side)) for y in range(side))
    size = struct.pack("!IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def test_a_file_goes_from_the_browser_to_s3_and_back(tab: Watched, site: Site, tmp_path: Path) -> None:
    ada = site.account("ada", "Ada Lovelace")
    asked: list[Request] = []
    tab.context.on("request", lambda request: asked.append(request))
    page = tab.page(site.url)
    page.get_by_label("Address").fill(ada)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#position")).to_contain_text("live")
    page.keyboard.press("c")
    composer = page.get_by_role("dialog")
    composer.get_by_role("combobox", name="To").fill(ada)
    composer.get_by_label("Subject").fill("Straight there")
    for name, kind, content in (("plan.bin", "application/x-plan", FILE), ("sea.png", "image/png", picture())):
        file = {"name": name, "mimeType": kind, "buffer": content}
        composer.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
        expect(composer.locator(".attachment", has_text=name)).to_contain_text("KB")
    composer.get_by_role("button", name="Send").click()
    row = page.locator(".row", has=page.locator(".row-subject", has_text="Straight there"))
    row.locator(".row-open").click()
    for name, content in (("plan.bin", FILE), ("sea.png", picture())):
        with page.expect_download() as downloading:
            page.get_by_role("button", name=f"Download {name}").first.click()
        downloading.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
        assert downloading.value.suggested_filename == name
    at_s3 = [one.method for one in asked if one.url.startswith(setting("S3_ENDPOINT"))]
    assert at_s3.count("PUT") == 2
    assert at_s3.count("GET") == 2
    assert not any("authorization" in one.headers for one in asked if one.url.startswith(setting("S3_ENDPOINT")))


def test_a_picture_may_be_shown_where_s3_has_it(tab: Watched, site: Site, bucket: Bucket) -> None:
    bucket.put("attachments/picture", picture())
    address = bucket.client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket.name, "Key": "attachments/picture"}
    )
    page = tab.page(site.url)
    width = page.evaluate(
        """async (address) => {
          const image = new Image();
          image.src = address;
          await image.decode();
          return image.naturalWidth;
        }""",
        address,
    )
    assert width == 200
