"""The topics: what they are called, how they are made, and what must be true of them before mail is trusted to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from domain.times import DAY_MS
from infra.kafka.cluster import HOPELESS, KafkaCluster, KafkaUnavailableError
from infra.kafka.heard import HEARD
from infra.operator_errors import OperatorError
from infra.settings import Settings

INCOMING, EVENTS = "incoming_emails", "mailbox_events"
SEGMENT_BYTES = 128 * 2**20
SEGMENT_MS = 3_600_000
"""What was deleted leaves the disk with its segment: after an hour at the latest, once something follows it."""
SAFE_REPLICAS = 3

_KEPT_UNTIL_DONE = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""No record goes because of its age or the topic's size, for it may be mail that nobody has yet."""
_FLUSHED = {"flush.messages": "1"}
"""A broker acknowledges what it has flushed: replicas in one room lose power together."""
_OF_ALL = {
    "message.timestamp.type": "LogAppendTime",
    "segment.bytes": str(SEGMENT_BYTES),
    "segment.ms": str(SEGMENT_MS),
}


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of an installation's topics, and how they are made."""

    prefix: str
    partitions: int
    replication: int | None
    events_days: int

    @classmethod
    def of(cls, settings: Settings) -> "Topics":
        """As the settings say."""
        return cls(
            settings.kafka_prefix, settings.kafka_partitions, settings.kafka_replication, settings.kafka_events_days
        )

    @property
    def incoming(self) -> str:
        """What was accepted and is not yet delivered."""
        return self.prefix + INCOMING

    @property
    def events(self) -> str:
        """What was appended, for those who follow."""
        return self.prefix + EVENTS

    def group(self, name: str) -> str:
        """The consumer group of those who do the same work."""
        return self.prefix + name

    def wanted(self) -> Mapping[str, Mapping[str, str]]:
        """The topics and what of their configuration is ours to say."""
        kept = _KEPT_UNTIL_DONE | _FLUSHED | _OF_ALL
        week = _OF_ALL | {"cleanup.policy": "delete", "retention.ms": str(self.events_days * DAY_MS)}
        return {self.incoming: kept, self.events: week}

    def make(self, cluster: KafkaCluster) -> list[str]:
        """Make the topics that are missing, and check those that hold mail; the names of those made now.

        Safe to repeat and to race.

        Raises:
            OperatorError: a topic is missing and cannot be made, or would lose mail.
            KafkaUnavailableError: the brokers do not answer.
        """
        try:
            with cluster.admin() as admin:
                there = set(admin.list_topics())
                missing = {name: config for name, config in self.wanted().items() if name not in there}
                made = [name for name, config in missing.items() if self._made(admin, name, config)]
                self._require_safe(admin)
        except KafkaUnavailableError as error:
            raise _hopeless_or(error) from error
        return made

    def _made(self, admin: object, name: str, config: Mapping[str, str]) -> bool:
        replicas = self.replication or -1
        safe = {"min.insync.replicas": "2"} if replicas >= SAFE_REPLICAS else {}
        asked = {"num_partitions": self.partitions, "replication_factor": replicas, "configs": dict(config) | safe}
        try:
            admin.create_topics({name: asked}, wait_for_metadata=True)  # type: ignore[attr-defined]  # untyped client
        except errors.TopicAlreadyExistsError:
            return False
        except HOPELESS as error:
            reason = type(error).__name__.removesuffix("Error")
            raise OperatorError(f"the Kafka topic {name!r} is missing and cannot be made ({reason})") from error
        return True

    def _require_safe(self, admin: object) -> None:
        """Topics that hold mail lose none of it by age or size, whoever made them."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in (self.incoming,)]
        found = admin.describe_configs(asked, config_filter="all")["topic"]  # type: ignore[attr-defined]  # untyped
        for name, config in found.items():
            if not config:  # another process is making it: not every broker knows it yet
                raise KafkaUnavailableError(f"Kafka does not tell the configuration of {name!r} yet")
            for key, safe in _KEPT_UNTIL_DONE.items():
                if config[key]["value"] != safe:
                    value = config[key]["value"]
                    raise OperatorError(f"the Kafka topic {name!r} would lose mail: its {key} is {value}, not {safe}")


def _hopeless_or(error: KafkaUnavailableError) -> Exception:
    cause = error.__cause__
    if isinstance(cause, HOPELESS):
        return OperatorError(f"Kafka cannot be used: {cause}")
    return OperatorError(f"Kafka cannot be used: {HEARD.reason}") if HEARD.is_hopeless else error
