"""The parts of the composition root that lie in Kafka, as the settings describe it."""

import logging

from infra.kafka.backlog import Backlog
from infra.kafka.cluster import KafkaCluster, KafkaUnavailableError
from infra.kafka.heard import listen
from infra.kafka.incoming import KafkaQueue
from infra.kafka.member import GroupMember
from infra.kafka.publisher import Publisher
from infra.kafka.topics import Topics
from infra.postgres_queue import Connect
from infra.settings import Settings

DELIVERY = "delivery"
_log = logging.getLogger(__name__)


class KafkaParts:
    """Made without asking the brokers, who may come later; one a process."""

    def __init__(self, settings: Settings) -> None:
        listen()
        self.cluster = KafkaCluster(settings)
        self.topics = Topics.of(settings)
        self.cluster.begin_with(self.make_topics)
        self.publisher = Publisher(self.cluster)
        self.backlog = Backlog(self.cluster, self.topics.incoming, self.topics.group(DELIVERY))

    def queue(self, connect: Connect) -> KafkaQueue:
        """What was accepted and is not yet delivered. Its maker closes it."""
        return KafkaQueue(
            topic=self.topics.incoming,
            publisher=self.publisher,
            member=GroupMember(self.cluster, self.topics.incoming, self.topics.group(DELIVERY)),
            connect=connect,
        )

    def following(self, view: str) -> GroupMember:
        """A member of a view's group, to read what was appended. Its maker closes it."""
        return GroupMember(self.cluster, self.topics.events, self.topics.group(f"follower-{view}"))

    def make_topics(self) -> list[str]:
        """The topics that were missing and are there now.

        Raises: OperatorError, KafkaUnavailableError.
        """
        return self.topics.make(self.cluster)

    def prepare(self) -> None:
        """The topics are there and safe, as far as can be asked now; else that is seen to before they are used.

        Raises: OperatorError
        """
        try:
            self.make_topics()
        except KafkaUnavailableError as outage:
            _log.warning("the topics could not be looked at: %s", outage)

    def check(self) -> None:
        """Nothing, where the topics can be used now.

        Raises: OperatorError, KafkaUnavailableError.
        """
        self.make_topics()

    def close(self) -> None:
        """End the producer."""
        self.publisher.close()
