"""Settings: what is read, what is refused, and that every one is documented."""

import dataclasses
from pathlib import Path

import pytest

from infra.settings import VARIABLES, SettingError, documentation, load
from infra.settings_readers import ListenAddress

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def refusal(**environ: str) -> str:
    with pytest.raises(SettingError) as raised:
        load({f"LEDGERMAIL_{name}": text for name, text in environ.items()})
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_without_any_variable_everything_has_its_documented_default() -> None:
    settings = load({"PATH": "/bin"})
    assert settings.data == Path.cwd() / "var"
    assert settings.master_key_file == settings.data / "keys/master.key"
    assert settings.domains == ("example.test",)
    assert (str(settings.http), str(settings.smtp), str(settings.lmtp)) == (
        "127.0.0.1:8080",
        "127.0.0.1:2525",
        "127.0.0.1:2424",
    )
    assert settings.hostname == "example.test"
    assert (settings.registration, settings.retention_days) == ("open", 30)
    assert (settings.database_url, settings.postmaster, settings.tls_cert, settings.tls_key) == (None,) * 4
    assert (settings.max_message_bytes, settings.max_recipients, settings.undo_seconds) == (36 * 2**20, 100, 10)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}).undo_seconds = 0


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"LEDGERMAIL_TLS_CERT": "", "LEDGERMAIL_RETENTION": " "}) == load({})


@pytest.mark.parametrize(
    ("listen", "registration"),
    [
        ("127.0.0.1:80", "open"),
        ("localhost:80", "open"),
        ("[::1]:80", "open"),
        ("0.0.0.0:80", "closed"),
        ("[::]:80", "closed"),
        ("mail.example.test:80", "closed"),
    ],
)
def test_registration_is_open_by_default_only_on_loopback(listen: str, registration: str) -> None:
    assert load({"LEDGERMAIL_HTTP": listen}).registration == registration


def test_registration_can_be_opened_to_the_world() -> None:
    environ = {"LEDGERMAIL_HTTP": "0.0.0.0:80", "LEDGERMAIL_REGISTRATION": "open"}
    assert load(environ).registration == "open"


def test_an_ipv6_listener_is_written_as_it_is_read() -> None:
    address = load({"LEDGERMAIL_SMTP": "[0:0::1]:25"}).smtp
    assert (address, str(address)) == (ListenAddress("::1", 25), "[::1]:25")


def test_registration_is_closed_by_default_where_a_proxy_brings_the_world_to_loopback() -> None:
    assert load({"LEDGERMAIL_PROXIES": "127.0.0.1"}).registration == "closed"


def test_proxies_are_addresses_and_networks() -> None:
    found = load({"LEDGERMAIL_PROXIES": "10.0.0.0/8, 192.0.2.7,2001:db8::/32,"}).proxies
    assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
    assert load({}).proxies == ()


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example.test", "10.0.0.0/33", "::/129", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    assert refusal(PROXIES=text).startswith("LEDGERMAIL_PROXIES: ")


@pytest.mark.parametrize(
    "text", ["8080", ":8080", "::1:8080", "127.0.0.1:", "127.0.0.1:65536", "1.2.3:80", "[x]:80", "a b:1"]
)
def test_a_listener_that_cannot_be_read_is_refused_by_name(text: str) -> None:
    assert refusal(HTTP=text).startswith("LEDGERMAIL_HTTP: ")


def test_domains_are_lower_case_a_labels_each_once() -> None:
    domains = load({"LEDGERMAIL_DOMAINS": "Example.TEST, bücher.example,example.test.,"}).domains
    assert domains == ("example.test", "xn--bcher-kva.example")


@pytest.mark.parametrize(
    "text", [",", "a..b", "-a.test", "a_b.test", "x" * 64 + ".test", ".".join(["x" * 60] * 5), "a b"]
)
def test_a_domain_that_is_none_is_refused(text: str) -> None:
    assert refusal(DOMAINS=text).startswith("LEDGERMAIL_DOMAINS: ")


@pytest.mark.parametrize("text", ["thirty", "-1", "1.5", "٣", "9" * 5000, "36501"])
def test_days_that_are_no_whole_number_in_range_are_refused(text: str) -> None:
    assert refusal(RETENTION=text) == "LEDGERMAIL_RETENTION: must be a whole number from 0 to 36500"


def test_a_misspelt_setting_is_refused_with_the_likely_one() -> None:
    assert refusal(DOMAIN="example.test") == "LEDGERMAIL_DOMAIN: no such setting, did you mean LEDGERMAIL_DOMAINS?"


def test_the_test_suites_own_variables_are_left_alone() -> None:
    assert load({"LEDGERMAIL_TEST_SEED": "7"}) == load({})


def test_a_relative_master_key_file_lies_in_the_data_folder_an_absolute_one_where_it_says() -> None:
    data = {"LEDGERMAIL_DATA": "/srv/mail"}
    assert load(data | {"LEDGERMAIL_MASTER_KEY_FILE": "k"}).master_key_file == Path("/srv/mail/k")
    assert load(data | {"LEDGERMAIL_MASTER_KEY_FILE": "/etc/k"}).master_key_file == Path("/etc/k")


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.write_text("")
    assert refusal(TLS_CERT=str(certificate)) == "LEDGERMAIL_TLS_KEY: must be set because LEDGERMAIL_TLS_CERT is"


def test_a_certificate_that_is_not_there_is_refused() -> None:
    assert refusal(TLS_CERT="/nowhere/cert.pem").startswith("LEDGERMAIL_TLS_CERT: /nowhere/cert.pem cannot be opened")


def test_the_postmaster_lives_in_a_served_domain() -> None:
    assert load({"LEDGERMAIL_POSTMASTER": "ops@Example.Test"}).postmaster == "ops@example.test"
    assert refusal(POSTMASTER="ops@elsewhere.test").startswith("LEDGERMAIL_POSTMASTER: ")
    assert refusal(POSTMASTER="ops").startswith("LEDGERMAIL_POSTMASTER: ")


def test_no_error_and_no_representation_shows_the_databases_password() -> None:
    assert "secret" not in refusal(DATABASE_URL="mysql://u:secret@h/d")
    assert "secret" not in repr(load({"LEDGERMAIL_DATABASE_URL": "postgresql://u:secret@h/d"}))


def test_no_error_and_no_representation_shows_the_secret_key_of_s3() -> None:
    assert "hush" not in refusal(S3_ACCESS_KEY="me", S3_SECRET_KEY="hush hush")
    assert "hush" not in repr(load({"LEDGERMAIL_S3_ACCESS_KEY": "me", "LEDGERMAIL_S3_SECRET_KEY": "hush"}))


def test_blobs_and_keys_lie_in_the_data_folder_unless_said_otherwise() -> None:
    assert (load({}).blobs, load({}).keys) == ("file", "file")
    assert refusal(BLOBS="tape") == "LEDGERMAIL_BLOBS: must be file or s3"


def test_s3_needs_a_bucket_for_the_blobs_and_has_another_for_the_keys() -> None:
    assert refusal(BLOBS="s3") == "LEDGERMAIL_S3_BUCKET: must be set because LEDGERMAIL_BLOBS is s3"
    assert refusal(KEYS="s3") == "LEDGERMAIL_S3_KEYS_BUCKET: must be set because LEDGERMAIL_KEYS is s3"
    both = {"LEDGERMAIL_BLOBS": "s3", "LEDGERMAIL_KEYS": "s3", "LEDGERMAIL_S3_BUCKET": "mail"}
    assert (load(both).s3_bucket, load(both).s3_keys_bucket) == ("mail", "mail-keys")
    assert load(both | {"LEDGERMAIL_S3_KEYS_BUCKET": "safe"}).s3_keys_bucket == "safe"
    assert refusal(S3_BUCKET="mail", S3_KEYS_BUCKET="mail").startswith("LEDGERMAIL_S3_KEYS_BUCKET: must not be")


def test_an_access_key_and_its_secret_belong_together() -> None:
    assert refusal(S3_ACCESS_KEY="me") == "LEDGERMAIL_S3_SECRET_KEY: must be set because LEDGERMAIL_S3_ACCESS_KEY is"
    assert refusal(S3_SECRET_KEY="x") == "LEDGERMAIL_S3_ACCESS_KEY: must be set because LEDGERMAIL_S3_SECRET_KEY is"


@pytest.mark.parametrize(
    "url", ["s3.example.test", "ftp://h", "https://", "https://h/path", "https://u:p@h", "https://h?x=1"]
)
def test_what_is_no_servers_url_is_refused(url: str) -> None:
    assert refusal(S3_ENDPOINT=url).startswith("LEDGERMAIL_S3_ENDPOINT: must ")
    assert load({"LEDGERMAIL_S3_ENDPOINT": "http://127.0.0.1:9000/"}).s3_endpoint == "http://127.0.0.1:9000"


@pytest.mark.parametrize("name", ["ab", "Upper", "a.b.c", "-mail", "mail-", "a" * 64, "a_b_c"])
def test_what_is_no_buckets_name_is_refused(name: str) -> None:
    assert refusal(S3_BUCKET=name).startswith("LEDGERMAIL_S3_BUCKET: must be 3 to 63")


def test_kafka_needs_brokers() -> None:
    assert (load({}).queue, load({}).kafka) == ("postgres", ())
    assert refusal(QUEUE="kafka") == "LEDGERMAIL_KAFKA: must be set because LEDGERMAIL_QUEUE is kafka"
    assert load({"LEDGERMAIL_KAFKA": "k1:9092, k2.example.test:9093,[::1]:9094,k1:9092"}).kafka == (
        "k1:9092",
        "k2.example.test:9093",
        "[::1]:9094",
    )
    for wrong in ("k1", "k1:", "k1:0", "k1:99999", ","):
        assert refusal(KAFKA=wrong).startswith("LEDGERMAIL_KAFKA: must ")


@pytest.mark.parametrize("prefix", ["a b", "__x", "a/b", "x" * 101])
def test_what_no_topic_may_begin_with_is_refused(prefix: str) -> None:
    assert refusal(KAFKA_PREFIX=prefix).startswith("LEDGERMAIL_KAFKA_PREFIX: must be at most 100")


def test_what_signs_in_to_kafka_belongs_together(tmp_path: Path) -> None:
    pem = tmp_path / "cert.pem"
    pem.write_text("")
    scram = {"KAFKA_SASL": "SCRAM-SHA-512", "KAFKA_USER": "me"}
    assert refusal(**scram) == "LEDGERMAIL_KAFKA_PASSWORD: must be set because LEDGERMAIL_KAFKA_SASL is"
    assert refusal(KAFKA_USER="me") == "LEDGERMAIL_KAFKA_SASL: must be set because LEDGERMAIL_KAFKA_USER is"
    plain = {"KAFKA_SASL": "PLAIN", "KAFKA_USER": "me", "KAFKA_PASSWORD": "hush"}
    assert refusal(**plain) == "LEDGERMAIL_KAFKA_TLS: must be yes because PLAIN shows the password"
    assert refusal(KAFKA_CERT=str(pem)) == "LEDGERMAIL_KAFKA_KEY: must be set because LEDGERMAIL_KAFKA_CERT is"
    assert refusal(KAFKA_CA=str(pem)).startswith("LEDGERMAIL_KAFKA_TLS: must be yes")
    secret = {f"LEDGERMAIL_{name}": value for name, value in (scram | {"KAFKA_PASSWORD": "hush"}).items()}
    assert "hush" not in repr(load(secret))


def test_a_cache_in_redis_needs_its_url_and_who_vouches_for_it_a_url_with_tls(tmp_path: Path) -> None:
    assert load({}).cache == "postgres"
    assert refusal(CACHE="redis") == "LEDGERMAIL_REDIS: must be set because LEDGERMAIL_CACHE is redis"
    (ca := tmp_path / "ca.pem").write_text("")
    plain = refusal(CACHE="redis", REDIS="redis://cache.example.test", REDIS_CA=str(ca))
    assert plain == "LEDGERMAIL_REDIS_CA: LEDGERMAIL_REDIS must begin with rediss:"
    load({"LEDGERMAIL_REDIS": "rediss://:word@cache.example.test:6379/0", "LEDGERMAIL_REDIS_CA": str(ca)})


@pytest.mark.parametrize(
    "url", ["cache.example.test", "http://cache.example.test", "redis://", "redis://h/x", "redis://h/0?db=1"]
)
def test_what_is_no_url_of_a_redis_is_refused(url: str) -> None:
    assert refusal(REDIS=url).startswith("LEDGERMAIL_REDIS: must ")


def test_no_error_and_no_representation_shows_the_password_of_redis() -> None:
    assert "secret" not in refusal(REDIS="http://:secret@cache.example.test")
    assert "secret" not in repr(load({"LEDGERMAIL_REDIS": "redis://:secret@cache.example.test"}))


def test_mails_are_archived_later_than_they_become_infrequent() -> None:
    wrong = "LEDGERMAIL_S3_ARCHIVE_DAYS: must be 30 days above LEDGERMAIL_S3_INFREQUENT_DAYS"
    assert refusal(S3_INFREQUENT_DAYS="60", S3_ARCHIVE_DAYS="89") == wrong
    for infrequent, archive in ((60, 90), (0, 1), (60, 0)):
        days = {"LEDGERMAIL_S3_INFREQUENT_DAYS": str(infrequent), "LEDGERMAIL_S3_ARCHIVE_DAYS": str(archive)}
        assert load(days).s3_archive_days == archive


def test_every_setting_is_documented() -> None:
    assert DOCUMENT.read_text() == documentation(), "write it: python -m infra.settings > docs/settings.md"


def test_every_field_has_a_variable_of_its_own() -> None:
    names = [variable.name for variable in VARIABLES.values()]
    assert len(set(names)) == len(names) == len(dataclasses.fields(load({})))


def test_half_an_opensearch_is_refused() -> None:
    assert refusal(SEARCH="opensearch") == "LEDGERMAIL_OPENSEARCH: must be set because LEDGERMAIL_SEARCH is opensearch"
    assert refusal(OPENSEARCH_USER="me").startswith("LEDGERMAIL_OPENSEARCH_PASSWORD: must be set because")
    assert refusal(OPENSEARCH_PASSWORD="hush").startswith("LEDGERMAIL_OPENSEARCH_USER: must be set because")
    assert refusal(SEARCH="grep") == "LEDGERMAIL_SEARCH: must be tantivy or opensearch"


def test_opensearch_may_have_several_nodes() -> None:
    several = load({"LEDGERMAIL_OPENSEARCH": "https://a.test:9200/, https://b.test:9200"})
    assert several.opensearch == ("https://a.test:9200", "https://b.test:9200")
    assert load({}).opensearch == ()
    for wrong in ("a.test", "https://me:secret@a.test", "https://a.test/path"):
        assert refusal(OPENSEARCH=wrong).startswith("LEDGERMAIL_OPENSEARCH: must ")


@pytest.mark.parametrize("prefix", ["Mail", "1mail", "mail_x", "mail.x", "-", "a" * 64])
def test_what_no_index_may_begin_with_is_refused(prefix: str) -> None:
    assert refusal(OPENSEARCH_PREFIX=prefix).startswith("LEDGERMAIL_OPENSEARCH_PREFIX: must be up to 63")


def test_the_password_of_opensearch_is_in_no_representation() -> None:
    both = {"LEDGERMAIL_OPENSEARCH_USER": "me", "LEDGERMAIL_OPENSEARCH_PASSWORD": "hush"}
    assert "hush" not in repr(load(both))
