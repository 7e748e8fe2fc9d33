"""`ledgermail dmarc show`: of files, and of the operator's mailbox."""

import base64
import gzip
from pathlib import Path

import pytest

from domain.times import DAY_MS
from gateways.mail_objects import read_mail
from infra.command_line import COMMANDS, run
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.settings import load
from tests.gateways.dmarc_reports.test_reading import NEW
from tests.post_office import envelope_of

MAIL = (
    b"From: dmarc@more.test\r\nTo: postmaster@example.test\r\nSubject: Report Domain: shop.test\r\n"
    b"Message-ID: <%b@more.test>\r\nMIME-Version: 1.0\r\nContent-Type: application/gzip\r\n"
    b'Content-Disposition: attachment; filename="%b"\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n'
)


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run(["dmarc", "show", *arguments], commands=COMMANDS)
    return int(ended.value.code or 0)


def test_a_file_is_shown_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "more.test!shop.test!1!2.xml.gz"
    path.write_bytes(gzip.compress(NEW.encode()))
    assert called(str(path)) == 0
    assert capsys.readouterr().out.startswith("Mail & More about mail from shop.test\n")


def test_what_is_no_report_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.xml").write_bytes(b"<html/>")
    assert called(str(tmp_path / "a.xml")) == called(str(tmp_path / "missing")) == called() == 1
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.endswith("a.xml: it is XML, but no aggregate report")
    assert second.endswith("missing cannot be read: No such file or directory")
    assert third == "ledgermail: name a file, or say --from-mailbox"


def test_reports_in_the_operators_mailbox_are_shown_and_other_files_passed_over(
    database_url: str,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {"LEDGERMAIL_DATABASE_URL": database_url, "LEDGERMAIL_DATA": str(data_folder)}
    files = (b"report.xml.gz", gzip.compress(NEW.encode())), (b"holiday.zip", b"PK\x03\x04"), (b"bomb.gz", b"\x1f\x8b")
    files = (*files, (b"gone.xml.gz", gzip.compress(NEW.encode())))
    with Parts(load(environ)) as parts:
        parts.ensure_operator()
        delivery = DeliveryParts(parts)
        for number, (name, content) in enumerate(files):
            raw = MAIL % (b"%d" % number, name, base64.b64encode(content))
            spool = delivery.reception.spool()
            spool.write(raw)
            envelope = envelope_of(raw, "postmaster@example.test", received_at=20_000 * DAY_MS)
            delivery.reception.accept(envelope, spool)
        delivery.worker().run_due()
        with parts.connect() as connection:
            blobs = [blob for (blob,) in connection.execute("SELECT blob FROM messages").fetchall()]
        parts.blobs.delete(next(blob for blob in blobs if b"gone.xml.gz" in read_mail(parts.blobs, blob)))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert called("--from-mailbox") == 0
    out = capsys.readouterr().out
    assert out.count("about mail from") == 1
    assert out.startswith("Mail & More about mail from shop.test\n")
