"""An S3 on a folder: versitygw, built from its Go modules, which Go verifies by its checksum database."""

import secrets
import shutil
import signal
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from scripts.stack_servers import tools
from scripts.stack_servers.cache import made
from scripts.stack_servers.folders import write_closed
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
REGION = "us-east-1"
ACCESS_KEY = "ledgermail"
BUCKET = "ledgermail"
BUCKETS = (BUCKET, f"{BUCKET}-keys")
_ASK = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class S3:
    """The server `s3`."""

    name = "s3"
    purposes = ("http",)
    ask_with = signal.SIGTERM

    def install(self, place: Place) -> None:
        """versitygw, built once."""
        _program(place)

    def command(self, place: Place) -> Command:
        """Its folder and a secret of its own."""
        objects = place.folder / "objects"
        objects.mkdir(mode=0o700, exist_ok=True)
        environment = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": _secret(place)}
        listen = f"{LOOPBACK}:{place.ports['http']}"
        return Command(
            (_program(place), "--port", listen, "--region", REGION, "--quiet", "posix", objects), environment
        )

    def is_ready(self, place: Place) -> bool:
        """Whether it answers to its secret; its buckets are made."""
        session = boto3.session.Session(ACCESS_KEY, _secret(place), region_name=REGION)
        client = session.client("s3", endpoint_url=_url(place), config=_ASK)
        for bucket in BUCKETS:
            try:
                client.create_bucket(Bucket=bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise
        client.close()
        return True

    def variables(self, place: Place) -> dict[str, str]:
        """The settings of blobs and keys."""
        return {
            "LEDGERMAIL_BLOBS": "s3",
            "LEDGERMAIL_KEYS": "s3",
            "LEDGERMAIL_S3_ENDPOINT": _url(place),
            "LEDGERMAIL_S3_BUCKET": BUCKET,
            "LEDGERMAIL_S3_REGION": REGION,
            "LEDGERMAIL_S3_ACCESS_KEY": ACCESS_KEY,
            "LEDGERMAIL_S3_SECRET_KEY": _secret(place),
        }


def _url(place: Place) -> str:
    return f"http://{LOOPBACK}:{place.ports['http']}"


def _secret(place: Place) -> str:
    path = place.folder / "secret"
    if not path.exists():
        write_closed(path, secrets.token_urlsafe(24))
    return path.read_text()


def _program(place: Place) -> Path:
    def make(target: Path) -> None:
        tools.require("go", debian="golang", place=place)
        modules = place.folders.cache / "go"
        environment = {"GOPATH": f"{modules}", "GOBIN": f"{target}", "GOCACHE": f"{modules}/cache"}
        tools.run(["go", "install", MODULE], place, environment | {"GOFLAGS": "-modcacherw -buildvcs=false -trimpath"})
        shutil.rmtree(modules)  # 700 MB, of which nobody needs anything again

    return made(place, MODULE, make) / "versitygw"
