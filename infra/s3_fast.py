"""Puts, gets and heads of a bucket's objects at a fifth of boto3's price, by obstore."""

import re
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError

from infra.s3_client import S3UnavailableError, meant_by

if TYPE_CHECKING:
    from obstore.store import S3Store

CONFLICT_ATTEMPTS = 10
CONFLICTS = frozenset({"ConditionalRequestConflict", "409", "ExistingObjectIsDirectory"})
"""Another writer was in the way, ask again; the last is versitygw's word for a folder emptied and removed meanwhile."""
_CODE = re.compile(r"<Code>(\w+)</Code>")


class FastObjects:
    """Objects of one bucket. Every method raises S3UnavailableError in an outage, `put` also StorageFullError."""

    def __init__(self, store: "S3Store") -> None:
        self._store = store

    def put(self, key: str, data: bytes, sha256: str) -> None:
        """Make `data` the object, its digest beside it, replacing the one before whole; durable on return."""
        for attempt in range(1, CONFLICT_ATTEMPTS + 1):
            try:
                obstore.put(self._store, key, data, attributes={"sha256": sha256}, use_multipart=False)
            except (BaseError, OSError) as error:
                if _code(error) not in CONFLICTS or attempt == CONFLICT_ATTEMPTS:
                    raise _translated(error) from error
            else:
                return

    def get(self, key: str) -> tuple[bytes, str | None] | None:
        """What the object holds and the digest that lies beside it; None where there is none, or no bucket."""
        try:
            found = obstore.get(self._store, key)
            return bytes(found.bytes()), _text(found.attributes.get("sha256"))
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _translated(error) from error

    def size(self, key: str) -> int | None:
        """Octets of the object; None where there is none, or no bucket."""
        try:
            return obstore.head(self._store, key)["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _translated(error) from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _translated(error: Exception) -> Exception:
    reason = " ".join(str(error).partition("\n\nDebug source:")[0].split())
    return meant_by(_code(error), reason) or S3UnavailableError(f"S3 refuses or does not answer: {reason}")


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return "" if found is None else found[1]
