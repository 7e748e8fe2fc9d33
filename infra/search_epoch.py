"""Which search index outside the database is its own.

An index that follows another log than this one's (of a database that is no more, or of what a restored one had gone on
to) counts seqs that mean something else here. So its name bears a word that is drawn for each database and restore.
"""

from typing import Any, Final

from psycopg import Connection

_EPOCH: Final = "SELECT epoch FROM search_epoch"
_ANEW: Final = "UPDATE search_epoch SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 12)"


def search_epoch(connection: Connection[Any]) -> str:
    """Twelve letters and digits."""
    found = connection.execute(_EPOCH).fetchone()
    assert found is not None  # its migration sees to it
    return str(found[0])


def begin_search_epoch(connection: Connection[Any]) -> None:
    """From now on another index is this database's own, and empty."""
    connection.execute(_ANEW)
