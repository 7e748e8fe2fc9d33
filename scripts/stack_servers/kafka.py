"""Kafka: one broker that is its own controller (KRaft)."""

import base64
import secrets
import signal
import socket
import struct
from pathlib import Path

from scripts.stack_servers import maven, tools
from scripts.stack_servers.cache import made
from scripts.stack_servers.java import JAVA_MODEST, log_to_stdout
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

VERSION = "4.3.1"
ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.kafka:kafka-tools:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
)
_METADATA, _METADATA_VERSION = 3, 1
_ASK_S = 2.0
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.partitions=3
min.insync.replicas=1
"""


class Kafka:
    """The server `kafka`."""

    name = "kafka"
    purposes = ("broker", "controller")
    ask_with = signal.SIGTERM

    def install(self, place: Place) -> None:
        """Kafka's archives from Maven."""
        tools.require("java", debian="openjdk-17-jre-headless", place=place)
        _archives(place)

    def command(self, place: Place) -> Command:
        """Its configuration, and its storage formatted where that is new."""
        archives, logs = _archives(place), place.folder / "logs"
        properties = place.folder / "server.properties"
        properties.write_text(_PROPERTIES.format(host=LOOPBACK, logs=logs, **place.ports))
        java = ("java", f"-Dlog4j2.configurationFile={log_to_stdout(place.folder)}", "-cp", f"{archives}/*")
        if not (logs / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
            words = ["kafka.tools.StorageTool", "format", f"--cluster-id=c{cluster[1:]}", f"--config={properties}"]
            tools.run([*java, *words], place)
        return Command((*java[:1], "-Xms256m", "-Xmx512m", *JAVA_MODEST, *java[1:], "kafka.Kafka", properties))

    def is_ready(self, place: Place) -> bool:
        """Whether it names itself among the brokers of its cluster."""
        return brokers(place.ports["broker"]) > 0

    def variables(self, place: Place) -> dict[str, str]:
        """The queue's settings."""
        return {"LEDGERMAIL_QUEUE": "kafka", "LEDGERMAIL_KAFKA": f"{LOOPBACK}:{place.ports['broker']}"}


def brokers(port: int) -> int:
    """How many brokers the cluster has, by its Metadata request (version 1, of no topics).

    Raises: OSError, struct.error: it does not answer, or not with Metadata.
    """
    client = b"stack"
    header = struct.pack(f">hhih{len(client)}s", _METADATA, _METADATA_VERSION, 1, len(client), client)
    request = header + struct.pack(">i", 0)
    with socket.create_connection((LOOPBACK, port), timeout=_ASK_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:
            (size,) = struct.unpack(">i", answer.read(4))
            _correlation, count = struct.unpack_from(">ii", answer.read(size))
    return int(count)


def _archives(place: Place) -> Path:
    project = maven.pom("kafka", ARTIFACTS)
    return made(place, project + maven.pinned("kafka"), lambda target: maven.copy_archives(place, project, target))
