"""docs/kubernetes.md is true: its tables against the code, its examples through the adapter, its registration."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proctor.cli.app import command as command_tree
from proctor_adapters.kubernetes import gate, kserve, routes, translate, workloads
from proctor_adapters.kubernetes.configuration import KubernetesSettings
from proctor_adapters.kubernetes.extract import CLAIMS, extract
from proctor_adapters.kubernetes.models import VERSIONS, GroupKind
from tests.adapters.kubernetes.doubles import (
    Cluster,
    FakeDecider,
    decision,
    deployment,
    finding,
    inference_service,
    review,
)

PAGE: Final = (Path(__file__).parents[3] / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS: Final = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SETTINGS: Final = next(block["adapters"]["kubernetes"] for block in BLOCKS if "adapters" in block)
REGISTRATION: Final = next(block for block in BLOCKS if block.get("kind") == "ValidatingWebhookConfiguration")
HOOKS: Final = {hook["name"]: hook for hook in REGISTRATION["webhooks"]}
PLURALS: Final = {
    "Pod": "pods", "PodTemplate": "podtemplates", "ReplicationController": "replicationcontrollers",
    "Deployment": "deployments", "ReplicaSet": "replicasets", "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets", "Job": "jobs", "CronJob": "cronjobs",
}  # fmt: skip
SCALED: Final = ("replicationcontrollers", "deployments", "replicasets", "statefulsets")


def table(header: str) -> list[list[str]]:
    """Return the rows of the table whose header line begins like this."""
    lines = PAGE.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {header}"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_kind_with_a_row_is_in_the_table_and_no_other() -> None:
    rows = table("group | kind | Pod specification")
    known = {("" if group == "core" else group, kind, codes(path)[0]) for group, kind, path in rows[:-1]}
    assert known == {(row.group, row.kind, ".".join(row.path)) for row in workloads.ROWS}
    groups, kind, components = rows[-1]
    assert set(groups.split(", ")) == kserve.GROUPS
    assert kind == kserve.KIND
    assert codes(components) == [f"spec.{name}" for name in kserve.ROLES]


@pytest.mark.parametrize("path", [codes(row[0])[0] for row in table("path | names a model as")])
def test_an_inference_service_is_read_at_each_path(path: str) -> None:
    uri = "storage://ns/key/folder" if path.endswith("storage") else "s3://planted/here"
    value: Any = {"key": "key", "path": "folder"} if path.endswith("storage") else "s3://planted/here"
    for key in reversed(re.findall(r"\w+", path)):
        value = [value] if key == "0" else {key: value}
    if "env" in path:
        value["spec"]["transformer"]["containers"][0] |= {"image": "a"}
        value["spec"]["transformer"]["containers"][0]["env"][0]["name"] = "STORAGE_URI"
    document = inference_service(
        value["spec"].pop("predictor", {"model": {"storageUri": "s3://plain"}}), **value["spec"]
    )
    found = extract(document, GroupKind("serving.kserve.io", "InferenceService"), "ns")
    assert found.models[uri].places == [path]


@pytest.mark.parametrize(("example", "read_as"), table("example | read as"))
def test_a_container_is_read_as_the_page_says(example: str, read_as: str) -> None:
    container = {"image": "registry.example.org/x:1"} | yaml.safe_load(codes(example)[0])
    spec = {"containers": [{"name": "c"} | container]}
    found = extract(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}, GroupKind("", "Pod"), "ns"
    )
    if read_as.startswith("unclassified"):
        assert found.unclassified
    else:
        assert list(found.models) == ([] if read_as.startswith("nothing") else [codes(read_as)[0]])
        assert found.unclassified == []


def literals(*modules: Any) -> tuple[set[str], set[str]]:
    """Return the reasons for letting through and for refusing that are written in the code."""
    passed: set[str] = set()
    refused: set[str] = set()
    for node in (one for module in modules for one in ast.walk(ast.parse(inspect.getsource(module)))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            first = node.args[0] if name in {"Passed", "Refused"} else node.args[1] if name == "refused" else None
            if isinstance(first, ast.Constant):
                (passed if name == "Passed" else refused).add(first.value)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
            refused.add(node.attr.lower())
        if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            passed |= keys if "being_deleted" in keys else set()
    return passed, refused


def test_every_answer_without_a_decision_is_explained_and_no_other() -> None:
    passed, refused = literals(translate, gate)
    assert {codes(row[0])[0] for row in table("reason | let through")} == passed
    assert {code for row in table("reason | refused") for code in codes(row[0])} == refused


def test_the_settings_are_the_ones_that_exist_and_the_example_is_valid() -> None:
    assert [codes(row[0])[0] for row in table("key | meaning")] == list(KubernetesSettings.model_fields)
    assert SETTINGS.keys() == KubernetesSettings.model_fields.keys()
    settings = KubernetesSettings.read(SETTINGS)
    assert settings.environment("ml-prod-fraud") == "prod"
    defaults = KubernetesSettings()
    assert defaults.environment("anything") == "prod"
    assert not defaults.ungoverned_namespaces | defaults.ungoverned_subresources | defaults.not_models
    assert float(table("key | meaning")[-1][2]) == defaults.budget
    assert CLAIMS in PAGE


@pytest.mark.parametrize("name", HOOKS)
def test_each_webhook_is_one_that_the_api_server_takes_and_that_locks_nobody_out(name: str) -> None:
    hook = HOOKS[name]
    assert len(name.split(".")) >= 3
    assert {f"admission.k8s.io/{version}" for version in hook["admissionReviewVersions"]} <= set(VERSIONS)
    assert hook["sideEffects"] == "NoneOnDryRun"  # an allow is written to the ledger, a dry run is not
    assert hook["failurePolicy"] in {"Fail", "Ignore"}
    assert hook["timeoutSeconds"] <= 3
    assert hook["timeoutSeconds"] > routes.MARGIN
    route, registration = hook["clientConfig"]["service"]["path"].rsplit("/", 1)
    assert f"{route.removeprefix('/v1/adapters/kubernetes')}/{{registration}}" in routes.UNAUTHENTICATED
    assert registration in KubernetesSettings.read(SETTINGS).registrations
    [selector] = hook["namespaceSelector"]["matchExpressions"]
    assert selector["key"] == "kubernetes.io/metadata.name"
    assert selector["operator"] == "NotIn"
    assert set(selector["values"]) == set(SETTINGS["ungoverned_namespaces"]) >= {"kube-system", "proctor"}
    for rule in hook["rules"]:
        assert rule["operations"] == ["CREATE", "UPDATE"]  # the conditions read `object`, and nobody blocks a deletion
        assert not any(resource.endswith("/status") for resource in rule["resources"])
        assert rule["scope"] == "Namespaced"


def test_every_way_to_a_container_is_registered() -> None:
    registered = {
        (group, resource)
        for rule in HOOKS["core.kubernetes.proctor.dev"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    kinds = {(row.group, PLURALS[row.kind]) for row in workloads.ROWS if row.group != "extensions"}
    scales = {(group, f"{plural}/scale") for group, plural in kinds if plural in SCALED}
    assert registered == kinds | scales | {("", "pods/ephemeralcontainers"), ("", "pods/resize")}
    served = [rule for rule in HOOKS["ml.kubernetes.proctor.dev"]["rules"] if "serving.kserve.io" in rule["apiGroups"]]
    assert "inferenceservices" in served[0]["resources"]


def test_break_glass_needs_a_permission_and_an_annotation() -> None:
    role = next(block for block in BLOCKS if block.get("kind") == "Role")
    binding = next(block for block in BLOCKS if block.get("kind") == "RoleBinding")
    [rule] = role["rules"]
    for hook in HOOKS.values():
        expression = next(one["expression"] for one in hook["matchConditions"] if one["name"] == "no-break-glass")
        assert f"group('{rule['apiGroups'][0]}').resource('{rule['resources'][0]}')" in expression
        assert f"check('{rule['verbs'][0]}')" in expression
        assert "'proctor.dev/break-glass' in object.metadata.annotations && " in expression
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


async def test_the_message_on_the_page_is_the_one_that_is_sent() -> None:
    cluster = Cluster(FakeDecider(decision("deny", "non_compliant", findings=[finding()])))
    document = review(deployment(container={"args": ["mlflow", "models", "serve", "-m", "models:/fraud/7"]}))
    reply = await cluster.admit(document)
    shown = re.search(r"denied the request: (.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == reply["status"]["message"]
    for name in reply["auditAnnotations"]:
        assert f"`{name}`" in PAGE


def test_the_rule_that_points_here_is_named() -> None:
    rule = Path(__file__).parents[3] / "rego/governance/rules/deployment/workload_classified/workload_classified.rego"
    assert "docs/kubernetes.md" in rule.read_text(encoding="utf-8")
    assert "deployment.workload_classified" in PAGE


def test_every_command_on_the_page_exists() -> None:
    commands = re.findall(r"\bproctor ((?:check|principal|decisions|model)(?: [a-z]+)?)", PAGE)
    assert set(commands) >= {"check deployment", "principal add", "principal link", "decisions show"}
    for command in set(commands):
        found: Any = command_tree()
        for word in command.split():
            assert word in found.commands, command
            found = found.commands[word]
