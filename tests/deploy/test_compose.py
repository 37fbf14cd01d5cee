"""The compose files, as far as they can be looked at without an engine: confined, joined up, and only the balancer in
reach of others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollbook import config
from rollbook.config import Settings
from tests.deploy import image
from tests.deploy.programs import DEPLOY
from tests.security.test_guesses_in_512_mebibytes import MEBIBYTES

ONE = DEPLOY / "compose.yaml"
THREE = DEPLOY / "compose.three-nodes.yaml"


def load(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("file", [ONE, THREE], ids=lambda file: file.name)
def test_what_a_service_names_is_there(file: Path) -> None:
    whole = load(file)
    services = whole["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed] or services[needed]["image"].startswith("rollbook:")
        for network in service.get("networks", []):
            assert network in whole["networks"], name
        for secret in service.get("secrets", []):
            assert secret in whole["secrets"], name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in whole["volumes"], name
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == image.DOCKERFILE


@pytest.mark.parametrize("file", [ONE, THREE], ids=lambda file: file.name)
def test_every_service_is_confined_and_stops_in_its_own_time(file: Path) -> None:
    for name, service in load(file)["services"].items():
        assert service["read_only"] is True and service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged") and "network_mode" not in service
        if service["image"].startswith("rollbook:"):
            assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "user" not in service
            assert int(service["stop_grace_period"].removesuffix("s")) > Settings().drain_timeout + 2
        if service["image"].startswith("rollbook:"):
            assert service["mem_limit"] == f"{MEBIBYTES}m", "what the server is tested with"
        else:
            assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        for port in service.get("ports", []):
            assert re.sub(r"\$\{\w+:-(.*)\}", r"\1", port).startswith("127.0.0.1:"), name


def test_three_nodes_wait_for_the_migration_and_only_the_balancer_is_in_reach() -> None:
    services = load(THREE)["services"]
    nodes = {name: service for name, service in services.items() if name.startswith("node")}
    assert len(nodes) == 3
    for service in nodes.values():
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert "rollbook:${" in service["environment"]["ROLLBOOK_DATABASE"]
    assert "rollbook_owner:${" in services["migrate"]["environment"]["ROLLBOOK_DATABASE"]
    assert services["migrate"]["command"] == ["migrate"] and services["migrate"]["restart"] == "no"
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    assert load(THREE)["networks"]["back"]["internal"] is True and services["caddy"]["networks"] == ["front"]
    assert services["caddy"]["environment"]["NODES"].split() == [f"{name}:8000" for name in nodes]
    # The addresses that the nodes believe are those of the network that Caddy is on.
    (subnet,) = load(THREE)["networks"]["front"]["ipam"]["config"]
    assert services["node1"]["environment"]["ROLLBOOK_TRUSTED_PROXY"] == subnet["subnet"]


def test_the_nodes_keep_nothing_and_read_their_secret_from_a_file() -> None:
    for name, service in load(THREE)["services"].items():
        if service["image"].startswith("rollbook:"):
            variables = service["environment"]
            own = [] if name == "migrate" else ["node.crt", "node.key"]
            assert "volumes" not in service and service["secrets"] == ["rollbook", "ca", *own], name
            assert variables["ROLLBOOK_SECRET_FILE"] == "/run/secrets/rollbook"
            assert variables["ROLLBOOK_DATABASE"].startswith("postgresql://")
            assert variables["ROLLBOOK_DATABASE"].endswith("?sslmode=verify-full&sslrootcert=/run/secrets/ca")
    limits = load(THREE)["services"]["node1"]["environment"]["ROLLBOOK_LIMITS"]
    assert limits.startswith("valkeys://rollbook:${") and limits.endswith("?sslrootcert=/run/secrets/ca")


def test_plain_http_is_only_taken_where_nothing_else_reaches_the_port() -> None:
    """The image listens on every address."""
    (image_host,) = [
        word for each in image.instructions() if each.name == "ENV" for word in each.text.split() if "HOST" in word
    ]
    for file in (ONE, THREE):
        for name, service in load(file)["services"].items():
            if not service["image"].startswith("rollbook:") or name == "migrate":
                continue
            given = {key: value for key, value in service["environment"].items() if value and "$" not in value}
            settings, _ = config.load({}, {**given, "ROLLBOOK_HOST": image_host.partition("=")[2]})
            assert settings.is_in_clear == settings.insecure_http, name
            ports = service.get("ports", [])
            assert all(port.startswith("127.0.0.1:") for port in ports) and bool(ports) == settings.insecure_http


@pytest.mark.parametrize("file", [ONE, THREE], ids=lambda file: file.name)
def test_no_file_holds_a_password(file: Path) -> None:
    for password in re.findall(r"(?:PASSWORD|SECRET|KEY): *(.*)$|://\w+:([^@\n]*)@", file.read_text(), re.MULTILINE):
        assert not "".join(password) or "".join(password).startswith(("${", "/run/secrets/")), password
