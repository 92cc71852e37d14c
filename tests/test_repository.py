"""What is not code: the wheel, the pins, the container files and the pages that name commands."""

import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")
PINNED_IMAGE = re.compile(r"^[a-z0-9./-]+:\d+\.\d+(\.\d+)?[a-z0-9.-]*$")


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if line and not line.startswith("#"))


def _opa_pin() -> str:
    found = re.search(r"/opa v(\S+)", (ROOT / "tools" / "opa" / "go.mod").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def test_constraints_pin_everything_that_is_required() -> None:
    pins = {canonicalize_name(name): version for name, version in _pins().items()}
    extras = PROJECT["project"]["optional-dependencies"].values()
    required = [
        Requirement(text) for text in [*PROJECT["project"]["dependencies"], *(r for extra in extras for r in extra)]
    ]
    assert len(required) > 20
    for requirement in required:
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} has no pin"
        assert requirement.specifier.contains(version), f"{requirement} and its pin {version} exclude each other"


def test_constraints_hold_versions_and_nothing_else() -> None:
    for name, version in _pins().items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name), name
        assert re.fullmatch(r"[0-9][A-Za-z0-9.+!]*", version), f"{name}: {version}"


def test_wheel_carries_both_roots_the_policy_and_the_pinned_opa_module(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=50,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "proctor/plugins.py",
        "proctor/_rego/governance/main/main.rego",
        "proctor/_rego/governance/clauses/eu-ai-act.yaml",
        "proctor/_regal/config.yaml",
        "proctor/_regal/rules/custom/proctor/undeclared_read/undeclared_read.rego",
        "proctor/_tools/opa/go.mod",
        "proctor/_tools/opa/go.sum",
        "proctor_adapters/kubernetes/__init__.py",
    ):
        assert name in names, name
    roots = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert roots == {"proctor", "proctor_adapters"}


def test_compose_file_names_pinned_images_and_starts_what_the_design_says() -> None:
    services = COMPOSE["services"]
    assert {"proctor", "opa", "postgres"} <= set(services)
    for name, service in services.items():
        assert PINNED_IMAGE.match(service["image"]), f"{name}: {service['image']}"
        assert "privileged" not in service
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port} beyond this machine"
    assert services["opa"]["image"] == f"proctor-opa:{_opa_pin()}"
    command = services["opa"]["command"]
    assert "--authorization=basic" in command
    assert "--addr=127.0.0.1:8181" in command
    assert services["opa"]["network_mode"] == "service:proctor"
    mounted = {volume.split(":")[0] for volume in services["opa"]["volumes"]}
    assert "state" not in mounted, "the sidecar must not see the private keys"


def test_compose_services_of_ours_have_no_more_rights_than_they_need() -> None:
    services = COMPOSE["services"]
    for name in ("proctor", "opa", "mlflow-key", "mlflow"):
        service = services[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "user" not in service, f"{name}: the image's own user"
    for name in ("certificate", "trust", "mlflow-key"):
        assert services[name]["network_mode"] == "none", name
    for name, service in services.items():
        for target in re.findall(r"image: (proctor[\w-]*)", f"image: {service['image']}"):
            stage = {"proctor-opa": "opa", "proctor-mlflow": "mlflow"}.get(target, "proctor")
            assert service["build"]["target"] == stage, name


def test_compose_has_an_mlflow_with_the_gate_in_it() -> None:
    mlflow = COMPOSE["services"]["mlflow"]
    (command,) = mlflow["command"]
    words = command.split()
    options = dict(pairwise(words))
    assert options["--app-name"] == "proctor"
    assert options["--workers"] == "1"
    assert options["--registry-store-uri"] == f"proctor+{options['--backend-store-uri']}"
    assert mlflow["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    mounts = {volume.split(":")[0]: volume.split(":")[1:] for volume in mlflow["volumes"]}
    assert "state" not in mounts, "Proctor's private keys and private socket"
    writable = {source for source, rest in mounts.items() if rest[-1] != "ro"}
    assert writable == {"mlflow"}
    # A secret in the environment of a container is in every `docker inspect`; the key is not.
    assert not {"PROCTOR_API_KEY", "MLFLOW_FLASK_SERVER_SECRET_KEY"} & set(mlflow["environment"])
    assert mlflow["depends_on"]["mlflow-key"] == {"condition": "service_completed_successfully"}
    head = (ROOT / "docker-compose.yml").read_text(encoding="utf-8").partition("name: proctor")[0]
    for name in set(re.findall(r"\$\{(\w+):\?", str(COMPOSE["services"]))):
        assert f"{name}=" in head, f"the head of the file does not say how to set {name}"


def test_sidecar_refuses_a_bundle_without_our_signature() -> None:
    """OPA treats a key without `signing` as optional, so that one missing line would accept unsigned bundles."""
    configuration = yaml.safe_load((ROOT / "deploy" / "docker" / "opa.yaml").read_text(encoding="utf-8"))
    for name, bundle in configuration["bundles"].items():
        assert bundle["signing"]["keyid"] in configuration["keys"], name
    assert any("keys.proctor.key=" in argument for argument in COMPOSE["services"]["opa"]["command"])


def test_images_are_built_from_pinned_bases_by_another_user_than_root() -> None:
    bases = re.findall(r"^ARG \w+_IMAGE=(\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    for base in bases:
        assert PINNED_IMAGE.match(base), base
    used = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert used <= {"${GO_IMAGE}", "${PYTHON_IMAGE}", "scratch"}
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["65532:65532"] * 3
    assert re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE)[-1] == "proctor", "what is built by default"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_pages_name_only_make_targets_and_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    unknown = {target for target in re.findall(r"`make ([a-z0-9-]+)", text) if target not in targets}
    assert not unknown, f"{page} names make targets that do not exist"
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"
    for path in re.findall(
        r"`((?:engine|adapters|rego|tests|tools|deploy)/[\w./-]+\.(?:py|rego|md|json|yaml|mod))`", text
    ):
        assert (ROOT / path).exists(), f"{page} names {path}"
