"""MTA-STS policies by HTTPS (RFC 8461 section 3.3): small documents of hosts that prove their names."""

import asyncio
import ssl
from collections.abc import Sequence

import httptools

from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.relay.routing import Network
from gateways.relay.sts import MAX_POLICY_BYTES, PolicyFetchError

FETCH_S = 60.0
CONNECT_S = 10.0
MAX_HEADER_BYTES = 32 * 1024
PATH = "/.well-known/mta-sts.txt"


class HttpsPolicies:
    """The port `gateways.relay.sts.PolicyFetch`; see there. `authorities`: as of `gateways.relay.security`."""

    def __init__(self, resolver: Resolver, network: Network, *, port: int, authorities: str | None = None) -> None:
        self._resolver = resolver
        self._network = network
        self._port = port
        self._context = ssl.create_default_context(cafile=authorities)

    async def fetch(self, domain: str) -> str:
        """See `PolicyFetch.fetch`."""
        host = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(FETCH_S):
                return await self._from(host, await self._addresses(host))
        except TimeoutError as error:
            raise PolicyFetchError(f"{host} took too long") from error
        except (OSError, ssl.SSLError, httptools.HttpParserError, DnsTemporaryError, ValueError) as error:
            raise PolicyFetchError(f"{host}: {error}") from error

    async def _addresses(self, host: str) -> Sequence[str]:
        answers = [await self._resolver.addresses(host, version=version) for version in (6, 4)]
        found = [address for answer in answers for address in answer.records if self._network.may_reach(address)]
        if not found:
            raise PolicyFetchError(f"{host} has no address")
        return found[:4]

    async def _from(self, host: str, addresses: Sequence[str]) -> str:
        *others, last = addresses
        for address in others:
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await self._asked(host, address)
            except (OSError, TimeoutError):
                continue
        return await self._asked(host, last)

    async def _asked(self, host: str, address: str) -> str:
        reader, writer = await asyncio.open_connection(address, self._port, ssl=self._context, server_hostname=host)
        try:
            request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ledgermail\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            return await _document(reader)
        finally:
            writer.transport.abort()


class _Answer:
    """What the parser calls."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_complete = False
        self.content_type = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.content_type = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


async def _document(reader: asyncio.StreamReader) -> str:
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    size_bytes = 0
    while not answer.is_complete:
        data = await reader.read(16 * 1024)
        size_bytes += len(data)
        if size_bytes > MAX_POLICY_BYTES + MAX_HEADER_BYTES or len(answer.body) > MAX_POLICY_BYTES:
            raise PolicyFetchError("the policy is too large")
        if not data:
            break
        parser.feed_data(data)
    if parser.get_status_code() != 200:
        raise PolicyFetchError(f"the answer is {parser.get_status_code()}")
    if not answer.content_type.lower().startswith("text/plain"):
        raise PolicyFetchError("the policy is no plain text")
    return answer.body.decode("utf-8", "replace")
