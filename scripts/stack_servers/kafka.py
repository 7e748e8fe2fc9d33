"""Kafka: one broker that is its own controller, or several that are it together (KRaft)."""

import base64
import hashlib
import signal
import socket
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.stack_servers import maven, tools
from scripts.stack_servers.cache import made
from scripts.stack_servers.java import JAVA_MODEST, log_to_stdout
from scripts.stack_servers.ports import LOOPBACK, Ports, remembered
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
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor={brokers}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={brokers}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={brokers}
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.partitions=3
min.insync.replicas=1
"""


@dataclass(frozen=True)
class Kafka:
    """The server `kafka`; of several brokers of one cluster, which start together, each is one: `kafka-1`, …"""

    node: int = 1
    brokers: int = 1
    purposes = ("broker", "controller")
    ask_with = signal.SIGTERM

    @property
    def name(self) -> str:
        """How it is called beside the others."""
        return self._named(self.node)

    def _named(self, node: int) -> str:
        return "kafka" if self.brokers == 1 else f"kafka-{node}"

    def install(self, place: Place) -> None:
        """Kafka's archives from Maven."""
        tools.require("java", debian="openjdk-17-jre-headless", place=place)
        _archives(place)

    def command(self, place: Place) -> Command:
        """Its configuration, and its storage formatted where that is new."""
        archives, logs = _archives(place), place.folder / "logs"
        properties = place.folder / "server.properties"
        several = {"node": self.node, "brokers": self.brokers, "voters": self._voters(place)}
        properties.write_text(_PROPERTIES.format(host=LOOPBACK, logs=logs, **several, **place.ports))
        java = ("java", f"-Dlog4j2.configurationFile={log_to_stdout(place.folder)}", "-cp", f"{archives}/*")
        if not (logs / "meta.properties").exists():
            words = ["kafka.tools.StorageTool", "format", f"--cluster-id={_cluster(place)}", f"--config={properties}"]
            tools.run([*java, *words], place)
        return Command((*java[:1], "-Xms256m", "-Xmx512m", *JAVA_MODEST, *java[1:], "kafka.Kafka", properties))

    def is_ready(self, place: Place) -> bool:
        """Whether it names itself and all others as the brokers of its cluster."""
        return brokers(place.ports["broker"]) == self.brokers

    def variables(self, place: Place) -> dict[str, str]:
        """The queue's settings."""
        found = [f"{LOOPBACK}:{ports['broker']}" for ports in self._ports(place)]
        return {"LEDGERMAIL_QUEUE": "kafka", "LEDGERMAIL_KAFKA": ",".join(found)}

    def _voters(self, place: Place) -> str:
        ports = enumerate(self._ports(place), start=1)
        return ",".join(f"{node}@{LOOPBACK}:{one['controller']}" for node, one in ports)

    def _ports(self, place: Place) -> list[Ports]:
        known = remembered(place.folders.ports)
        return [known[self._named(node)] for node in range(1, self.brokers + 1)]


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


def _cluster(place: Place) -> str:
    """One id for all brokers of a data folder."""
    name = hashlib.sha256(str(place.folders.data).encode()).digest()[:16]
    return f"c{base64.urlsafe_b64encode(name).decode().rstrip('=')[1:]}"


def _archives(place: Place) -> Path:
    project, shared = maven.pom("kafka", ARTIFACTS), replace(place, name="kafka")
    return made(shared, project + maven.pinned("kafka"), lambda target: maven.copy_archives(place, project, target))
