"""Java archives by Maven, each of them as the list beside the code knows it."""

import shutil
from pathlib import Path

from scripts.stack_servers import tools
from scripts.stack_servers.cache import sums
from scripts.stack_servers.server import Place, StackError

HERE = Path(__file__).parent
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>ledgermail.stack</groupId><artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
{dependencies}
</dependencies>
</project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def pom(name: str, artifacts: tuple[str, ...]) -> str:
    """The project that depends on these artifacts, each `group:artifact:version`."""
    rows = (_DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
    return _POM.format(name=name, dependencies="\n".join(rows))


def pinned(name: str) -> str:
    """The archives that a server consists of, as `sha256sum` writes them."""
    return (HERE / f"{name}.sha256").read_text()


def copy_archives(place: Place, project: str, target: Path) -> None:
    """Fetch the project's archives and everything that they need into `target`.

    Raises: StackError: Maven failed, or what came is not what `pinned` says.
    """
    tools.require("mvn", debian="maven", place=place)
    folder = place.folder / "build"
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "pom.xml").write_text(project)
    local = place.folders.cache / f"maven-{place.name}"  # its own: Maven does not share one between processes
    quiet: list[str | Path] = ["--batch-mode", "--no-transfer-progress", "--strict-checksums"]
    where: list[str | Path] = [
        "--file",
        folder / "pom.xml",
        f"-Dmaven.repo.local={local}",
        f"-DoutputDirectory={target}",
    ]
    tools.run(["mvn", *quiet, *where, COPY], place)
    shutil.rmtree(local)
    others = set(sums(target).splitlines()) ^ set(pinned(place.name).splitlines())
    if others:
        names = sorted({line.partition("  ")[2] for line in others})
        raise StackError(f"archives are not those of {place.name}.sha256: {', '.join(names[:5])}")
