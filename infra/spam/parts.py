"""The spam filter's parts of the composition root."""

from gateways.mail_objects import read_mail
from gateways.screening import Screener
from gateways.spam.filtering import SpamFilter, Thresholds
from gateways.spam.learning import NoPersonalFilters, PersonalFilters
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


def personal_filters(parts: Parts) -> PersonalFilters:
    """What chooses INBOX or SPAM at delivery."""
    if parts.settings.spam == "off":
        return NoPersonalFilters()
    return StoredFilters(parts.connect, token_ids(parts))


def spam_view(parts: Parts) -> SpamView:
    """What follows the owners' words."""
    return SpamView(parts.reader, lambda name: read_mail(parts.blobs, name), token_ids(parts))
