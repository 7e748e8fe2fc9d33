"""What those that report to other domains are made of, from the operator's mailbox."""

from collections.abc import Callable, Mapping
from typing import TypedDict

from domain.addresses import EmailAddress
from domain.ids import MailboxId
from gateways.appending import Appender
from gateways.authentication.dns import Resolver
from gateways.blobs import Blobs
from infra.postgres_queue import Connect


class ReportingParts(TypedDict):
    """`resolver` makes one for an event loop; `sender` is the operator's address."""

    connect: Connect
    resolver: Callable[[], Resolver]
    blobs: Blobs
    appender: Appender
    touch: Callable[[Mapping[str, int]], None]
    sender: EmailAddress
    mailbox_of: Callable[[EmailAddress], MailboxId]
    hostname: str
