"""Accounts on a real database and lane, for tests: the composition with a database of the test's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domain.events import RecordedEvent
from infra.accounts.directory import PostgresDirectory, operator_address
from infra.accounts.unfinished import Unfinished
from infra.composition import Parts
from infra.settings import load

PASSWORD = "seven green herons"
ADA = "ada@example.test"


def settings_of(url: str, folder: Path, **changes: str) -> Any:
    environ = {"LEDGERMAIL_DATABASE_URL": url, "LEDGERMAIL_DATA": str(folder / "data")}
    return load(environ | {f"LEDGERMAIL_{name.upper()}": value for name, value in changes.items()})


class GivenAccounts(Parts):
    """The program's own composition; `interrupt_before` names a step of an opening that raises."""

    interrupt_before: str | None = None

    @property
    def steps(self) -> Callable[[str], None]:
        return self._step

    def _step(self, step: str) -> None:
        if step == self.interrupt_before:
            raise InterruptedHereError(step)

    def given(self, address: str = ADA, password: str = PASSWORD) -> Any:
        return self.registration.register(address, password, display_name="Ada")

    def sign_in(self, address: str = ADA, password: str = PASSWORD, *, network_address: str = "192.0.2.7") -> Any:
        return self.sessions.sign_in(address, password, client="a browser", network_address=network_address)

    def events(self, mailbox_id: str) -> list[RecordedEvent]:
        return list(self.reader.recorded(mailbox_id))

    def topics(self, mailbox_id: str) -> list[str]:
        return [recorded.topic for recorded in self.events(mailbox_id)]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query, values).fetchall()

    def interrupted(self) -> Unfinished:
        """What finishes openings, but raises before the step that `interrupt_before` names."""
        return Unfinished(self.connect, self.keys, self.lane, before_step=self.steps)

    def directory_with(self, unfinished: Unfinished) -> PostgresDirectory:
        domains = frozenset(self.settings.domains)
        return PostgresDirectory(self.connect, unfinished, domains=domains, operator=operator_address(self.settings))


class InterruptedHereError(Exception):
    """Raised in place of a step."""


@contextmanager
def given_accounts(url: str, folder: Path, **changes: str) -> Iterator[GivenAccounts]:
    with GivenAccounts(settings_of(url, folder, **changes)) as parts:
        yield parts
