"""All settings as one object."""

import dataclasses
from dataclasses import dataclass

from infra.settings.counters import Counters
from infra.settings.doors import Doors
from infra.settings.house import House
from infra.settings.kafka import Kafka
from infra.settings.limits import Limits
from infra.settings.opensearch import OpenSearch
from infra.settings.relay import Relay
from infra.settings.s3 import S3
from infra.settings.screening import Screening
from infra.settings.stores import Stores
from infra.settings.telling import Telling
from infra.settings.variable import Variable


@dataclass(frozen=True, kw_only=True)
class Settings(Limits, Screening, Relay, House, Counters, Kafka, Telling, S3, OpenSearch, Stores, Doors):
    """Everything an operator can set. `load` makes it; nothing else reads the environment.

    The bases stand last to first, since a dataclass begins with the fields of its last one: that is their order in
    `docs/settings.md`.
    """


VARIABLES: dict[str, Variable] = {field.name: field.metadata["variable"] for field in dataclasses.fields(Settings)}
