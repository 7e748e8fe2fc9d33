"""How OpenSearch is reached, and what its refusals mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionError,
    ConnectionTimeout,
    NotFoundError,
    OpenSearchException,
    TransportError,
)

from infra.operator_errors import OperatorError
from projections.search import SearchTooBroadError, SearchUnavailableError

CONNECTIONS: Final = 16
SEARCH_S: Final = 5.0
"""How long a search is waited for; the server gives it up then, too."""
WRITE_S: Final = 30.0
CHECK_S: Final = 3.0
_TOO_MANY_TERMS: Final = "maxClauseCount"

logging.getLogger("opensearch").setLevel(logging.CRITICAL)  # who asks tells what failed; requests hold words of mail


class IndexMissingError(SearchUnavailableError):
    """There is no such index: it was not made yet, was removed after a switch, or was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSearchServer:
    """One cluster: its nodes' URLs, who we are to it, and whom its certificates must be signed by."""

    urls: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: Path | None = None

    def client(self) -> OpenSearch:
        """Any number of threads may share it. Nothing is tried twice: every caller has its own way to go on."""
        options: dict[str, Any] = {}
        if self.user is not None:
            options["http_auth"] = (self.user, self.password or "")
        if self.authorities is not None:
            options["ca_certs"] = str(self.authorities)
        return OpenSearch(
            list(self.urls),
            http_compress=True,
            pool_maxsize=CONNECTIONS,
            timeout=WRITE_S,
            max_retries=len(self.urls) - 1,
            retry_on_status=(502, 503, 504),
            **options,
        )


@contextmanager
def told() -> Iterator[None]:
    """Turns the client's errors into SearchUnavailableError; SearchTooBroadError where that is the reason."""
    try:
        yield
    except NotFoundError as error:
        if error.error == "index_not_found_exception":
            raise IndexMissingError(f"OpenSearch has no such index: {error.info}") from error
        raise SearchUnavailableError(f"OpenSearch refuses: {error}") from error
    except ConnectionTimeout as error:
        raise SearchUnavailableError("OpenSearch does not answer in time") from error
    except ConnectionError as error:
        raise SearchUnavailableError(f"OpenSearch cannot be reached: {type(error.info).__name__}") from error
    except TransportError as error:
        if _TOO_MANY_TERMS in str(error.info):
            raise SearchTooBroadError("a phrase ends with the beginning of too many words") from error
        raise SearchUnavailableError(f"OpenSearch refuses: {error}") from error
    except OpenSearchException as error:
        raise SearchUnavailableError(f"OpenSearch cannot be asked: {error}") from error


def require(client: OpenSearch) -> None:
    """Nothing, where the cluster takes us, or does not answer at present: then it is waited for.

    Raises: OperatorError, whose text is one line.
    """
    try:
        client.transport.perform_request("GET", "/", params={"request_timeout": CHECK_S})
    except (AuthenticationException, AuthorizationException) as error:
        raise OperatorError(f"OpenSearch is closed to this user: status {error.status_code}") from error
    except OpenSearchException:
        return
