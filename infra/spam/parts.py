"""The spam filter's parts of the composition root."""

import asyncio

from gateways.mail_objects import read_mail
from gateways.screening import Arrival, Screener
from gateways.spam.filtering import SpamFilter, Thresholds
from gateways.spam.learning import NoPersonalFilters, PersonalFilters
from gateways.spam.outgoing_check import SpamCheck
from gateways.spam.scoring import Score
from gateways.spam.token_ids import TokenIds
from infra.composition import Parts
from infra.spam.learnt import InstallationLearnt
from infra.spam.personal import StoredFilters
from infra.spam.rspamd import Rspamd
from infra.spam.view import SpamView

PURPOSE = b"ledgermail-spam-1"


def token_ids(parts: Parts) -> TokenIds:
    """The same numbers in every process of the installation."""
    return TokenIds(parts.keys.derived(PURPOSE))


def spam_filter(parts: Parts, others: Screener | None) -> Screener:
    """The filter of a door, around the others who look at mail; it knows at once what the installation was taught."""
    known = InstallationLearnt(parts.connect)
    known.look()
    settings = parts.settings
    thresholds = Thresholds(settings.spam_percent / 100, settings.refused_percent / 100)
    scanner = None if settings.rspamd is None else Rspamd(settings.rspamd)
    return SpamFilter(others, ids=token_ids(parts), installation=known, thresholds=thresholds, scanner=scanner)


def outgoing_check(parts: Parts) -> SpamCheck:
    """The check of what owners send."""
    known, settings = InstallationLearnt(parts.connect), parts.settings
    known.look()
    scanner = None if settings.rspamd is None else Rspamd(settings.rspamd)

    def scan(reverse_path: str, sample: bytes) -> Score | None:
        assert scanner is not None
        arrival = Arrival(peer="", helo="", reverse_path=reverse_path, hostname=settings.hostname)
        return asyncio.run(scanner.scan(arrival, sample))

    return SpamCheck(
        ids=token_ids(parts),
        installation=known,
        held_above=settings.outgoing_percent / 100,
        scan=None if scanner is None else scan,
    )


def personal_filters(parts: Parts) -> PersonalFilters:
    """What chooses INBOX or SPAM at delivery."""
    if parts.settings.spam == "off":
        return NoPersonalFilters()
    return StoredFilters(parts.connect, token_ids(parts))


def spam_view(parts: Parts) -> SpamView:
    """What follows the owners' words."""
    return SpamView(parts.reader, lambda name: read_mail(parts.blobs, name), token_ids(parts))
