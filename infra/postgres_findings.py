"""What checks have said of submissions before they leave, in Postgres: the port of `gateways.delivery.validation`."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from psycopg import sql

from gateways.delivery.outbox import Sending
from gateways.delivery.validation import Finding
from infra.postgres_queue import Connect, shown

COLUMNS: Final = ("policy", "spam", "attachments", "unsubscribed")
_BEGIN = (
    "INSERT INTO validations (mailbox_id, submission_id, started_at)"
    " SELECT mailbox_id, submission_id, %(now)s FROM sending"
    " WHERE mailbox_id = %(mailbox)s AND submission_id = %(submission)s ON CONFLICT DO NOTHING"
)
_FIND = (
    "SELECT started_at, policy, spam, attachments, unsubscribed FROM validations"
    " WHERE mailbox_id = %(mailbox)s AND submission_id = %(submission)s"
)


class PostgresFindings:
    """The port `Findings`. A submission that has left meanwhile has no row, and gets none."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def begin(self, sending: Sending) -> Finding:
        """The row; see `Findings.begin`."""
        now = self._clock_ms()
        place = {"now": now, "mailbox": sending.mailbox_id, "submission": sending.submission_id}
        with self._connect() as connection, connection.transaction():
            connection.execute(_BEGIN, place)
            row = connection.execute(_FIND, place).fetchone()
        if row is None:
            return Finding(now, {})
        answers = zip(COLUMNS, row[1:], strict=True)
        return Finding(row[0], {name: answer for name, answer in answers if answer is not None})

    def add(self, sending: Sending, answers: Mapping[str, str]) -> None:
        """These have answered; see `Findings.add`."""
        columns = [name for name in COLUMNS if name in answers]
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        update = sql.SQL("UPDATE validations SET {} WHERE mailbox_id = %s AND submission_id = %s").format(sets)
        values = [shown(answers[name]) for name in columns]
        with self._connect() as connection:
            connection.execute(update, (*values, sending.mailbox_id, sending.submission_id))
