"""Whether the database keeps what it acknowledged: looked at once, at every start."""

from typing import Any

from psycopg import Connection
from psycopg.rows import scalar_row

from infra.operator_errors import OperatorError

DURABLE_VALUES = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    # "remote_write" and "remote_apply" wait for the local flush too; "local" and "off" promise less than asked of them.
    "synchronous_commit": {"on", "remote_write", "remote_apply"},
}


class DurabilityError(OperatorError):
    """The database may lose what it acknowledged; the text names the setting."""


def check_durability(connection: Connection[Any]) -> None:
    """Refuse a database that answers a commit before it is on disk.

    Raises:
        DurabilityError: names the setting, what it is and what it must be.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        for setting, durable in DURABLE_VALUES.items():
            value = cursor.execute("SELECT current_setting(%s)", [setting]).fetchone()
            if value not in durable:
                raise DurabilityError(f"{setting} is {value}: acknowledged mail could be lost, set it to on")
