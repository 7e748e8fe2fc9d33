"""What all who know mail hosts keep to; a subclass of `MxCacheContract` gives the fixture `mail_hosts`."""

import secrets

import pytest

from infra.caches.mail_hosts import MailHost, MailHosts, MxCache

TWO = MailHosts((MailHost(10, "mx1.example.test"), MailHost(20, "mx2.example.test")), secure=True)
NONE = MailHosts(())
NULL = MailHosts((MailHost(0, "."),))


class MxCacheContract:
    """The port's promises, one test each."""

    @pytest.fixture
    def domain(self) -> str:
        return f"{secrets.token_hex(8)}.test"

    @pytest.mark.parametrize("answer", [TWO, NONE, NULL])
    def test_what_the_dns_answered_is_known(self, mail_hosts: MxCache, domain: str, answer: MailHosts) -> None:
        mail_hosts.keep(domain, answer, ttl_s=300)
        assert mail_hosts.find(domain) == answer

    def test_the_last_answer_is_known(self, mail_hosts: MxCache, domain: str) -> None:
        for answer in (TWO, NONE):
            mail_hosts.keep(domain, answer, ttl_s=300)
        assert mail_hosts.find(domain) == NONE

    def test_domains_are_known_apart(self, mail_hosts: MxCache, domain: str) -> None:
        mail_hosts.keep(domain, TWO, ttl_s=300)
        assert mail_hosts.find(f"mail.{domain}") is None

    def test_what_is_not_to_be_kept_is_not(self, mail_hosts: MxCache, domain: str) -> None:
        mail_hosts.keep(domain, TWO, ttl_s=0)
        assert mail_hosts.find(domain) is None
