"""deploy/kubernetes, without a cluster: every object fits the schemas of Kubernetes, and what they say of each other is
true."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import rollbook
from rollbook.api.routes import ROUTES
from rollbook.config import Settings, load
from tests.deploy import image
from tests.deploy.programs import DEPLOY, program, run
from tests.security.test_guesses_in_512_mebibytes import MEBIBYTES

FOLDER = DEPLOY / "kubernetes"
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml")
# The oldest and the newest that the sleep of preStop is sure to be known to, of those the schemas are there for.
VERSIONS = ("1.32", "1.37")


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


DEPLOYMENT, JOB, SERVICE = (read(name) for name in ("deployment.yaml", "migrate/job.yaml", "service.yaml"))
LABELS = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
PODS = {"server": DEPLOYMENT["spec"]["template"]["spec"], "migrate": JOB["spec"]["template"]["spec"]}
SERVER, MIGRATE = PODS["server"]["containers"][0], PODS["migrate"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_schemas(version: str) -> None:
    run(program("kubernetes-validate"), "--strict", "-k", version, *FILES)


def test_kustomize_makes_objects_that_fit_and_name_one_image_of_this_version(tmp_path: Path) -> None:
    # As people do it who leave these files as they are: a folder of their own, with a namespace and an image by digest.
    own = tmp_path / "own"
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    own.mkdir()
    digest = f"sha256:{'5e' * 32}"
    (own / "kustomization.yaml").write_text(
        "namespace: users\nresources: [../kubernetes]\n"
        f"images: [{{name: registry.example.com/rollbook, newName: registry.test/rollbook, digest: '{digest}'}}]\n"
    )
    of_server = {
        "ConfigMap",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
    }
    for folder, kinds, image_name in (
        (FOLDER, of_server, f"registry.example.com/rollbook:{rollbook.__version__}"),
        (FOLDER / "migrate", {"Job"}, f"registry.example.com/rollbook:{rollbook.__version__}"),
        (own, of_server, f"registry.test/rollbook@{digest}"),
    ):
        rendered = tmp_path / "rendered.yaml"
        rendered.write_text(run(program("kubectl"), "kustomize", folder).stdout)
        objects = list(yaml.safe_load_all(rendered.read_text()))
        assert {each["kind"] for each in objects} == kinds
        pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] in ("Deployment", "Job")]
        assert [container["image"] for pod in pods for container in pod["containers"]] == [image_name]
        assert {each["metadata"].get("namespace") for each in objects} == ({"users"} if folder == own else {None})
        for version in VERSIONS:
            run(program("kubernetes-validate"), "--strict", "-k", version, rendered)


def test_an_object_with_a_mistake_does_not_fit(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((FOLDER / "deployment.yaml").read_text().replace("periodSeconds", "periodSecond"))
    assert run(program("kubernetes-validate"), "--strict", wrong, check=False).returncode != 0


def test_the_lists_of_kustomize_name_every_file_but_the_example() -> None:
    listed = {
        (list_.parent / name).resolve()
        for list_ in FOLDER.rglob("kustomization.yaml")
        for name in yaml.safe_load(list_.read_text())["resources"]
    }
    assert listed == set(FILES) - {FOLDER / "secret.example.yaml"}


def test_selectors_find_the_servers_and_not_the_migration() -> None:
    others = [
        SERVICE["spec"]["selector"],
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        read("disruption.yaml")["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in PODS["server"]["topologySpreadConstraints"]),
    ]
    job = JOB["spec"]["template"]["metadata"]["labels"]
    for selector in others:
        assert selector.items() <= LABELS.items() and not selector.items() <= job.items()
    policy = read("network.yaml")["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= LABELS.items() and policy.items() <= job.items()
    target = read("autoscaler.yaml")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (DEPLOYMENT["kind"], DEPLOYMENT["metadata"]["name"])


def test_ports_have_the_names_that_are_asked_for_and_the_image_listens_there() -> None:
    (port,) = SERVER["ports"]
    assert SERVICE["spec"]["ports"][0]["targetPort"] == port["name"]
    assert read("network.yaml")["spec"]["ingress"][0]["ports"] == [{"port": port["name"]}]
    exposed = next(each.text for each in image.instructions() if each.name == "EXPOSE")
    assert port["containerPort"] == int(exposed) == Settings().port


def test_probes_ask_for_what_the_api_has() -> None:
    paths = {route.path for route in ROUTES if route.method == "GET"}
    wanted = {"startupProbe": "/health/ready", "readinessProbe": "/health/ready", "livenessProbe": "/health/live"}
    for name, path in wanted.items():
        assert SERVER[name]["httpGet"] == {"path": path, "port": SERVER["ports"][0]["name"]} and path in paths


def test_three_nodes_of_which_two_always_serve_and_each_has_time_to_stop() -> None:
    spec = DEPLOYMENT["spec"]
    assert spec["replicas"] == 3 == read("autoscaler.yaml")["spec"]["minReplicas"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert read("disruption.yaml")["spec"]["minAvailable"] == 2
    pause = SERVER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause >= 2 * SERVER["readinessProbe"]["periodSeconds"]
    assert PODS["server"]["terminationGracePeriodSeconds"] > pause + Settings().drain_timeout + 2


@pytest.mark.parametrize("name", PODS)
def test_pods_are_confined(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    user = next(each.text for each in image.instructions() if each.name == "USER")
    of_pod = pod["securityContext"]
    assert of_pod["runAsNonRoot"] is True and of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}" == user
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert {"cpu", "memory"} == set(container["resources"]["requests"])
    assert container["resources"]["limits"]["memory"] == f"{MEBIBYTES}Mi", "what the server is tested with"


@pytest.mark.parametrize("name", PODS)
def test_secrets_come_from_the_example_and_the_server_finds_its_file(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    example = read("secret.example.yaml")
    text = (FOLDER / "secret.example.yaml").read_text()
    for reference in _references(container):
        assert reference["name"] == example["metadata"]["name"]
        # Those that may be missing stand in the example as comments.
        assert (
            f"# {reference['key']}: " in text
            if reference.get("optional")
            else reference["key"] in example["stringData"]
        )
    (volume,) = pod["volumes"]
    (mount,) = container["volumeMounts"]
    items = {item["path"]: item["key"] for item in volume["secret"]["items"]}
    assert volume["name"] == mount["name"] and volume["secret"]["secretName"] == example["metadata"]["name"]
    assert volume["secret"]["defaultMode"] == 0o400 and set(items.values()) <= set(example["stringData"])
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables["ROLLBOOK_SECRET_FILE"] == f"{mount['mountPath']}/secret" and items["secret"] == "secret"
    for url in ("database", "database-owner", "limits"):
        assert example["stringData"][url].endswith(f"sslrootcert={mount['mountPath']}/ca.crt") and "ca.crt" in items


def test_only_the_migration_has_the_role_that_owns_the_tables() -> None:
    keys = [{each["key"] for each in _references(container)} for container in (SERVER, MIGRATE)]
    assert "database" in keys[0] and "database-owner" not in keys[0]
    assert keys[1] == {"database-owner"}
    urls = read("secret.example.yaml")["stringData"]
    assert urls["database"].startswith("postgresql://rollbook:")
    assert urls["database-owner"].startswith("postgresql://rollbook_owner:")


def test_the_example_holds_no_secret() -> None:
    for name, value in read("secret.example.yaml")["stringData"].items():
        assert "REPLACE" in value, name


def test_the_settings_are_accepted() -> None:
    map = read("configmap.yaml")
    assert SERVER["envFrom"] == [{"configMapRef": {"name": map["metadata"]["name"]}}]
    _, sources = load(environment=map["data"], file=None)
    assert {source.origin for source in sources} - {"default"} == set(map["data"])
    assert not load({"host": "0.0.0.0"}, map["data"])[0].is_in_clear, "the image listens on every address"


def _references(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for variable in container["env"]:
        if "valueFrom" in variable:
            yield variable["valueFrom"]["secretKeyRef"]
