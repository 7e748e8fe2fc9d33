"""`ledgermail dns`: whether the world finds what a domain publishes about its mail."""

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from gateways.authentication.zone_records import Published, ZoneRecord, published, records_of
from infra.authentication import resolver
from infra.command_line.dkim import served
from infra.composition import Parts
from infra.dkim_keys import PURPOSE, PostgresDkimKeys
from infra.settings import Settings, load

dns = typer.Typer(help="Whether the world finds what a domain publishes.", rich_markup_mode=None)


@dns.callback()
def _dns() -> None:
    """Whether the world finds what a domain publishes."""


@dns.command()
def check(domain: Annotated[str, typer.Argument(help="One of LEDGERMAIL_DOMAINS.")]) -> None:
    """Hold the DNS against what a domain is to publish.

    Exits with 1 where something is missing or wrong.
    """
    settings = load(os.environ)
    name = served(domain, settings)
    with Parts(settings) as parts:
        keys = PostgresDkimKeys(parts.connect, parts.keys.derived(PURPOSE)).of(name)
    if not keys:
        typer.echo(f"wrong  DKIM     {name} has no keys: `ledgermail dkim create {name}` makes them")
    found = asyncio.run(_checked(settings, records_of(name, settings.hostname, keys)))
    for one in found:
        typer.echo(f"{'wrong' if one.fault else 'ok':6} {one.record.purpose:8} {one.record.name}  {one.fault}".rstrip())
    if not keys or any(one.fault for one in found):
        raise typer.Exit(1)


async def _checked(settings: Settings, records: Sequence[ZoneRecord]) -> list[Published]:
    asked = resolver(settings)
    return list(await asyncio.gather(*(published(asked, record, hostname=settings.hostname) for record in records)))
