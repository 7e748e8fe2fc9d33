"""Becomes a server, after it wrote down who it is: RECORD LOCK UID GID COMMAND…

Nothing that runs is ever unknown: the record is there before the server is, and the lock that starting and stopping
take is held until then. The identity stays the same when a process becomes another program.
"""

import os
import sys
from pathlib import Path

from scripts.stack_servers.processes import identity, write_identity


def main(arguments: list[str]) -> None:
    """Does not return."""
    record, lock, uid, gid, *command = arguments
    who = identity(os.getpid())
    assert who is not None
    write_identity(Path(record), who)
    os.set_inheritable(int(lock), False)
    if int(uid) != os.geteuid():
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    os.execvp(command[0], command)  # noqa: S606 - a server of the stack, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
