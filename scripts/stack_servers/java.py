"""What both Java servers are started with."""

from pathlib import Path

JAVA_MODEST = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
"""One thread of garbage collection and the quick compiler: a stack for work and tests shares the machine."""

_LOG = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %c{1.} %m%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
"""


def log_to_stdout(folder: Path) -> Path:
    """A configuration of log4j 2 in this folder: everything from INFO on goes to standard output."""
    path = folder / "log4j2.properties"
    path.write_text(_LOG)
    return path
