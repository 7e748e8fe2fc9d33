"""`ledgermail dkim`: the keys that mail of a domain is signed with, and the records that it publishes."""

import asyncio
import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from gateways.authentication.dkim_keys import ACTIVE, PENDING, RETIRED, DkimKey, KeysPresentError, new_keys
from gateways.authentication.zone_records import ZoneRecord, published, records_of, sts_policy
from infra.authentication import resolver
from infra.composition import Parts
from infra.dkim_keys import PURPOSE, PostgresDkimKeys
from infra.operator_errors import OperatorError
from infra.settings import Settings, load
from infra.settings_readers import domain_name

dkim = typer.Typer(help="The keys that mail is signed with, and what a domain publishes.", rich_markup_mode=None)

Domain = Annotated[str, typer.Argument(help="One of LEDGERMAIL_DOMAINS.")]


class NotServedError(OperatorError):
    """Not one of our domains."""


class DkimKeysError(OperatorError):
    """The domain's keys are not as the command needs them."""


@dkim.command()
def create(domain: Domain) -> None:
    """Make the first keys of a domain.

    It signs with them from now on. What to publish in the DNS is printed.
    """
    with _keys(domain) as (name, keys, settings):
        if keys.of(name):
            raise DkimKeysError(f"{name} has keys: `ledgermail dkim rotate {name}` makes new ones")
        _add(keys, name, ACTIVE)
        _print(records_of(name, settings.hostname, keys.of(name)))
        _print_policy(name, settings)


@dkim.command()
def rotate(domain: Domain) -> None:
    """Make new keys; called again, sign with them.

    The first call prints their records. Call again once the DNS has them: then they sign, and the old ones retire.
    """
    with _keys(domain) as (name, keys, settings):
        if not keys.of(name):
            raise DkimKeysError(f"{name} has no keys: `ledgermail dkim create {name}` makes them")
        pending = [key for key in keys.of(name) if key.state == PENDING]
        if not pending:
            _add(keys, name, PENDING)
            typer.echo(f"publish these, then call `ledgermail dkim rotate {name}` again:")
            _print([_record(key) for key in keys.of(name) if key.state == PENDING])
            return
        faults = asyncio.run(_faults(settings, [_record(key) for key in pending]))
        if faults:
            raise DkimKeysError(f"not published yet: {'; '.join(faults)}")
        keys.switch(name)
        typer.echo(f"{name} signs with {', '.join(key.selector for key in pending)}")
        for key in keys.of(name):
            if key.state == RETIRED:
                typer.echo(f"retired {key.name}: take its record away in a week, when mail under way has arrived")


@dkim.command()
def show(domain: Domain) -> None:
    """What a domain is to publish, and the state of its keys."""
    with _keys(domain) as (name, keys, settings):
        for key in keys.of(name):
            typer.echo(f"; {key.state:8} {key.algorithm:15} {key.selector}")
        _print(records_of(name, settings.hostname, keys.of(name)))
        _print_policy(name, settings)


async def _faults(settings: Settings, records: Sequence[ZoneRecord]) -> list[str]:
    asked = resolver(settings)
    found = [await published(asked, record, hostname=settings.hostname) for record in records]
    return [f"{one.record.name} ({one.fault})" for one in found if one.fault]


def _add(keys: PostgresDkimKeys, name: str, state: str) -> None:
    taken = {key.selector.partition("-")[0] for key in keys.of(name)}
    today = datetime.datetime.now(datetime.UTC).strftime("k%Y%m%d")
    label = next(label for number in range(1000) if (label := today + (f"n{number}" if number else "")) not in taken)
    try:
        keys.add(new_keys(name, label=label, state=state))
    except KeysPresentError as error:
        raise DkimKeysError(f"{name}: somebody else makes keys at this moment") from error


def _record(key: DkimKey) -> ZoneRecord:
    return ZoneRecord("DKIM", key.name, "TXT", key.record)


def _print(records: Sequence[ZoneRecord]) -> None:
    for record in records:
        typer.echo(record.line)


def _print_policy(name: str, settings: Settings) -> None:
    typer.echo(f"; https://mta-sts.{name}/.well-known/mta-sts.txt:")
    for line in sts_policy(settings.hostname).splitlines():
        typer.echo(f";   {line}")


@contextmanager
def _keys(domain: str) -> Iterator[tuple[str, PostgresDkimKeys, Settings]]:
    settings = load(os.environ)
    name = served(domain, settings)
    with Parts(settings) as parts:
        yield name, PostgresDkimKeys(parts.connect, parts.keys.derived(PURPOSE)), settings


def served(domain: str, settings: Settings) -> str:
    """The domain in A-labels.

    Raises: NotServedError
    """
    try:
        name = domain_name(domain)
    except ValueError as error:
        raise NotServedError(str(error)) from error
    if name not in settings.domains:
        raise NotServedError(f"{name} is not one of LEDGERMAIL_DOMAINS")
    return name
