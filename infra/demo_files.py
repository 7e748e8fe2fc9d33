"""What is attached to the demonstration's mail: tables, pages and pictures, drawn here."""

import random
import struct
import zlib

from gateways.mime.compose import AttachedFile


def files(name: str) -> tuple[AttachedFile, ...]:
    """One file of this name, of the kind that the name says."""
    kind = name.rpartition(".")[2]
    if kind == "csv":
        rows = "".join(f"{month},{1000 + month * 37},{900 + month * 41}\r\n" for month in range(1, 13))
        return (AttachedFile(name, "text/csv", b"month,planned,actual\r\n" + rows.encode()),)
    if kind == "png":
        return (AttachedFile(name, "image/png", picture(7, side=480)),)
    if kind == "txt":
        return (AttachedFile(name, "text/plain", "09:00 Frühstück\n10:30 시청\n".encode()),)
    return (AttachedFile(name, "application/pdf", _pdf(name)),)


def _pdf(title: str) -> bytes:
    """A page with a line of text."""
    drawn = f"BT /F1 24 Tf 72 700 Td ({title}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%b\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    out, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n%btrailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        start,
    )


def picture(seed: int, side: int = 96) -> bytes:
    """A PNG of waves; a large one is noisy enough to be stored apart as an attachment."""
    noise = random.Random(seed)  # noqa: S311 - a picture
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            wave = (x * (seed + 3) + y * y) % 256
            rows += bytes((wave, (wave + y) % 256, noise.randrange(160, 256)))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
