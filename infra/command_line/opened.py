"""What most commands begin with: the installation that the settings describe, and the mailbox of an address."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
import typer
from psycopg_pool import PoolTimeout

from domain.ids import MailboxId
from domain.refusals import DomainRefusal
from gateways.accounts import AccountsUnavailableError
from gateways.blobs import StorageFullError
from infra.composition import Parts
from infra.erasing import is_cleared, is_erased
from infra.keys import KeyMissingError
from infra.operator_errors import OperatorError
from infra.settings import Settings, load
from infra.store.lane import LaneClosedError
from projections.search import SearchUnavailableError

ALL_MAILBOXES = "SELECT mailbox_id FROM mailboxes ORDER BY mailbox_id"

Address = Annotated[str, typer.Argument(help="Address of the mailbox.")]


@contextmanager
def opened_parts() -> Iterator[Parts]:
    """The installation's parts; what goes wrong with its servers ends the command with one line.

    Raises: OperatorError
    """
    try:
        with Parts(load(os.environ)) as parts:
            yield parts
    except DomainRefusal as refusal:
        raise OperatorError(str(refusal)) from refusal
    except (AccountsUnavailableError, psycopg.OperationalError, PoolTimeout, LaneClosedError) as error:
        raise OperatorError(f"the database does not answer: {error}; call again to go on") from error
    except (KeyMissingError, SearchUnavailableError) as error:
        raise OperatorError(str(error)) from error
    except StorageFullError as error:
        raise OperatorError(f"the disk is full: {error}; make room and call again to go on") from error
    except ConnectionError as error:
        raise OperatorError(f"{error}; call again to go on") from error
    except OSError as error:
        raise OperatorError(f"{error.filename or 'a file'}: {error.strerror or error}") from error


def mailbox_at(parts: Parts, address: str) -> MailboxId:
    """The mailbox that mail to this address reaches.

    Raises: AccountUnknownError
    """
    return parts.accounts.at(address).mailbox_id


def mailboxes(parts: Parts, address: str | None) -> list[MailboxId]:
    """The mailbox of the address, or all of them."""
    if address is not None:
        return [mailbox_at(parts, address)]
    with parts.connect() as connection:
        return [MailboxId(mailbox_id) for (mailbox_id,) in connection.execute(ALL_MAILBOXES).fetchall()]


def address_of(parts: Parts, mailbox_id: MailboxId) -> str:
    """How an operator knows a mailbox: by its address where it has one."""
    with parts.connect() as connection:
        found = connection.execute("SELECT address FROM accounts WHERE mailbox_id = %s", (mailbox_id,)).fetchone()
    return mailbox_id if found is None else f"{found[0]} ({mailbox_id})"


def require_in_data_folder(settings: Settings) -> None:
    """Nothing, where blobs and keys lie in the data folder, which is what backups are made of.

    Raises: OperatorError
    """
    for name, place in (("BLOBS", settings.blobs), ("KEYS", settings.keys)):
        if place != "file":
            raise OperatorError(
                f"LEDGERMAIL_{name} is {place}: a backup holds the data folder alone; buckets have means of their own"
            )


def is_being_erased(parts: Parts, mailbox_id: MailboxId) -> bool:
    """Whether a mailbox is erased and something of it may still be stored, which the operator is told."""
    with parts.connect() as connection:
        if not is_erased(connection, mailbox_id) or is_cleared(connection, mailbox_id):
            return False
    typer.echo(f"{address_of(parts, mailbox_id)}: its erasure is under way; the running service finishes it")
    return True
