"""The build: what it refuses although `opa build` takes it, and that the same policy is the same everywhere."""

import json
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from proctor.errors import PolicyError
from proctor.opa import bundle
from proctor.settings import PolicySettings
from tests.engine.opa import rules

ROOT = Path(__file__).resolve().parents[3]
KEPT = "deployer_is_not_author"
"""The one provided rule in `source`: the provided configuration names it."""
Build = Callable[..., bundle.LaidOut]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a copy of the provided policy with one rule, so that each build takes a moment."""
    copied = tmp_path / "rego"
    shutil.copytree(ROOT / "rego", copied)
    for folder in (copied / "governance" / "rules").glob("*/*"):
        if folder.name != KEPT:
            shutil.rmtree(folder)
    provided = copied / "governance" / "config" / "provided.yaml"
    document = yaml.safe_load(provided.read_text(encoding="utf-8"))
    document["actions"] = [one for one in document["actions"] if one.get("rule") in {None, f"deployment.{KEPT}"}]
    provided.write_text(yaml.safe_dump(document), encoding="utf-8")
    return copied


@pytest.fixture
def build(opa_binary: Path, source: Path, tmp_path: Path) -> Build:
    """Return a function that lays the policy of `source` out, with packs and settings."""

    def lay_out(
        *packs: Path, stage: str = "stage", provided: frozenset[str] | None = None, **own: Any
    ) -> bundle.LaidOut:
        settings = PolicySettings.model_validate({"packs": packs, **own})
        return bundle.lay_out(settings, opa_binary, source, tmp_path / stage, provided)

    return lay_out


def pack(folder: Path, files: dict[str, str], roots: list[str] | None = None) -> Path:
    """Write a pack whose manifest claims the rules in it, unless a test says what it claims."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    claimed = sorted({str(Path(name).parent) for name in files if name.startswith("governance/rules/")})
    (folder / ".manifest").write_text(json.dumps({"roots": claimed if roots is None else roots}))
    return folder


OWN = "governance/rules/deployment/some_rule/some_rule.rego"
ROOT_OF_OWN = "governance/rules/deployment/some_rule"


def refused(build: Build, *packs: Path, **own: Any) -> PolicyError:
    with pytest.raises(PolicyError) as error:
        build(*packs, **own)
    return error.value


# --- What a pack may add ---------------------------------------------------------------------------------------------


def test_a_pack_adds_a_rule(build: Build, tmp_path: Path) -> None:
    found = build(pack(tmp_path / "pack", {OWN: rules.source()}))
    assert set(found.document["rules"]) == {"deployment.some_rule", f"deployment.{KEPT}"}
    assert (tmp_path / "stage" / OWN).read_text() == rules.source()


def test_tests_samples_and_pages_of_a_pack_stay_outside(build: Build, tmp_path: Path) -> None:
    files = {
        OWN: rules.source(),
        OWN.replace(".rego", "_test.rego"): "package governance.rules.deployment.some_rule_test\n",
        "samples/inputs/some.json": "{}",
        "samples/deployment/README.md": "x",
        "README.md": "x",
        ".git/config": "x",
        ".git/hooks/pre-commit": "x",
    }
    build(pack(tmp_path / "pack", files))
    copied = {path.name for path in (tmp_path / "stage").rglob("*") if path.is_file()}
    assert "some_rule.rego" in copied
    assert not copied & {"some_rule_test.rego", "some.json", "README.md", "config", "pre-commit"}


WRONG_PACKS: dict[str, tuple[dict[str, str], str]] = {
    "data": ({"data.json": "{}"}, "data.json: a pack holds rules and their tests, no data"),
    "data beside its rule": ({f"{ROOT_OF_OWN}/data.yaml": "a: 1"}, "data.yaml: a pack holds rules"),
    "data of the configuration": (
        {"governance/config/values/data.json": "{}"}, "governance/config/values/data.json: a pack holds",
    ),
    "a library": (
        {"governance/lib/evidence/more.rego": "package governance.lib.evidence\n\nproven(_, _, _, _) if true"},
        "governance/lib/evidence/more.rego: a rule stands at governance/rules/<stage>/<name>/<name>.rego",
    ),
    "the aggregator": (
        {"governance/main/more.rego": "package governance.main\n\n_problems := set()"},
        "governance/main/more.rego: a rule stands at",
    ),
    "OPA's own authorisation": (
        {"system/authz/authz.rego": "package system.authz\n\nallow := true"},
        "system/authz/authz.rego: a rule stands at",
    ),
    "OPA's own log": (
        {"system/log/log.rego": "package system.log\n\ndrop := true"}, "system/log/log.rego: a rule stands",
    ),
    "who may call what": (
        {"authz/more.rego": "package authz\n\ndecision := {}"}, "authz/more.rego: a rule stands at",
    ),
    "a second file": (
        {f"{ROOT_OF_OWN}/more.rego": "package x"}, f"{ROOT_OF_OWN}/more.rego: a rule stands at",
    ),
    "a deeper file": (
        {f"{ROOT_OF_OWN}/deeper/deeper.rego": "package x"}, "deeper/deeper.rego: a rule stands at",
    ),
    "a provided rule": (
        {f"governance/rules/deployment/{KEPT}/{KEPT}.rego": rules.source(KEPT)},
        f"{KEPT}.rego: this rule already exists; a pack can only add rules",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "problem"), WRONG_PACKS.values(), ids=WRONG_PACKS)
def test_a_pack_that_could_change_what_is_not_its_own_is_refused(
    files: dict[str, str], problem: str, build: Build, tmp_path: Path
) -> None:
    folder = pack(tmp_path / "pack", {OWN: rules.source(), **files})
    error = refused(build, folder)
    assert error.tried == f"reading the pack {folder}"
    assert any(problem in line for line in error.problems), error.problems


@pytest.mark.parametrize(
    "package",
    [
        f"governance.rules.deployment.{KEPT}",
        "governance.lib.evidence",
        "governance.main",
        "governance.config",
        "governance.rules.deployment.some_rule.deeper",
        "system.authz",
        "system.log",
        "authz",
        "governance",
        "other",
    ],
)
def test_a_file_defines_the_package_of_its_folder_and_no_other(package: str, build: Build, tmp_path: Path) -> None:
    """`opa build` merges files of one package from anywhere: this is how one rule could prove for another."""
    text = rules.source(package=package)
    error = refused(build, pack(tmp_path / "pack", {OWN: text}))
    assert any(OWN in line or "is defined in more than one file" in line for line in error.problems), error.problems


def test_two_packs_do_not_share_a_rule(build: Build, tmp_path: Path) -> None:
    one, other = (pack(tmp_path / name, {OWN: rules.source()}) for name in ("one", "other"))
    error = refused(build, one, other)
    assert error.problems[0] == f"{OWN}: this rule already exists; a pack can only add rules"


MANIFESTS: dict[str, tuple[str | None, str]] = {
    "none": (None, ".manifest: "),
    "no JSON": ("roots:", ".manifest: "),
    "no roots": ("{}", ".manifest: 'roots'"),
    "a list": ("[]", ".manifest: "),
    "roots of a wrong type": ('{"roots": 5}', ".manifest: "),
    "no root for its rule": ('{"roots": []}', f"{OWN}: .manifest does not list the root {ROOT_OF_OWN}"),
    "everything": ('{"roots": [""]}', f"{OWN}: .manifest does not list the root {ROOT_OF_OWN}"),
    "all rules": ('{"roots": ["governance/rules"]}', ".manifest: root governance/rules has no rule"),
    "a root too many": (
        json.dumps({"roots": [ROOT_OF_OWN, "governance/lib"]}), ".manifest: root governance/lib has no rule",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "problem"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_pack_claims_exactly_its_rules(manifest: str | None, problem: str, build: Build, tmp_path: Path) -> None:
    folder = pack(tmp_path / "pack", {OWN: rules.source()})
    (folder / ".manifest").unlink()
    if manifest is not None:
        (folder / ".manifest").write_text(manifest)
    error = refused(build, folder)
    assert any(line.startswith(problem) for line in error.problems), error.problems


def test_a_rule_of_a_pack_is_held_to_what_every_rule_is_held_to(build: Build, tmp_path: Path) -> None:
    unsound = rules.source(body='\ncompliant contains ["models", i] if some i, _ in input.facts.models\n')
    error = refused(build, pack(tmp_path / "pack", {OWN: unsound}))
    assert error.tried == "checking that no rule can fail open"
    assert all(OWN in line for line in error.problems)


# --- The provided policy is held to the same -------------------------------------------------------------------------


def test_a_second_file_of_a_package_is_refused(build: Build, source: Path) -> None:
    more = source / "governance" / "lib" / "evidence" / "more.rego"
    more.write_text("package governance.lib.evidence\n\nproven(_, _, _, _) if true\n")
    error = refused(build)
    assert error.remedy == "One package, one file, one owner"
    assert any(
        "more.rego" in line and "evidence.rego" in line and "data.governance.lib.evidence is defined in more" in line
        for line in error.problems
    ), error.problems


def test_a_package_outside_the_policy_is_refused(build: Build, source: Path) -> None:
    stray = source / "system" / "log" / "log.rego"
    stray.parent.mkdir(parents=True)
    stray.write_text("package system.log\n\ndrop := true\n")
    assert any("data.system.log is not a package of the policy" in line for line in refused(build).problems)


def test_a_folder_without_a_policy_is_refused(opa_binary: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="PROCTOR_POLICY_DIR"):
        bundle.lay_out(PolicySettings(), opa_binary, tmp_path, tmp_path / "stage")


def test_tests_and_what_they_import_are_not_collected(build: Build, tmp_path: Path) -> None:
    assert list((ROOT / "rego" / "testing").glob("*.rego"))
    build()
    copied = [path.relative_to(tmp_path / "stage") for path in (tmp_path / "stage").rglob("*.rego")]
    assert copied
    assert not [path for path in copied if path.name.endswith("_test.rego") or "testing" in path.parts]
    assert not [path for path in copied if path.parts[0] not in {"governance", "authz", "system"}]


LOOK_UPS: dict[str, tuple[str, str]] = {
    "an unknown list": ('config.list("image_registrie")', "config.list('image_registrie') is not in the configuration"),
    "an unknown threshold": ('config.threshold("waivers")', "config.threshold('waivers') is not in the configuration"),
    "a list as a threshold": (
        'config.threshold("image_registries")', "config.threshold('image_registries') is not in the configuration",
    ),
    "a name that is not written out": ("config.list(_name)", "config.list takes a literal name, so that the build can"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "problem"), LOOK_UPS.values(), ids=LOOK_UPS)
def test_names_of_the_configuration_are_checked(call: str, problem: str, build: Build, tmp_path: Path) -> None:
    body = f"""
import data.governance.config

_name := "image_registries"

compliant contains ["models", i] if {{
	some i, model in input.facts.models
	model.registration.registered in {call}
}}
"""
    error = refused(build, pack(tmp_path / "pack", {OWN: rules.source(body=body)}))
    assert error.problems[0].startswith(f"{OWN}: {problem}")


# --- The same policy is the same everywhere --------------------------------------------------------------------------


def test_the_same_sources_have_the_same_digest_on_another_path(
    opa_binary: Path, source: Path, build: Build, tmp_path: Path
) -> None:
    one = build(pack(tmp_path / "pack", {OWN: rules.source()}))
    moved = tmp_path / "somewhere" / "else" / "entirely"
    shutil.copytree(source, moved)
    other_pack = pack(tmp_path / "another place", {OWN: rules.source()})
    settings = PolicySettings(packs=[other_pack])
    other = bundle.lay_out(settings, opa_binary, moved, tmp_path / "other" / "stage")
    assert other.digest == one.digest
    assert other.document == one.document
    assert one.document["revision"] == one.digest.removeprefix("sha256:")[:16]


def test_whatever_can_change_a_decision_changes_the_digest(build: Build, source: Path, tmp_path: Path) -> None:
    digests = {"before": build(stage="s0").digest}
    digests["threshold"] = build(stage="s1", thresholds={"waivers_active": 4}).digest
    digests["list"] = build(stage="s2", lists={"image_registries": []}).digest
    digests["environment"] = build(stage="s3", environments=["edge"]).digest
    digests["action"] = build(stage="s4", actions=[{"point": "audit", "action": "warn"}]).digest
    digests["profile"] = build(stage="s5", profile="strict").digest
    digests["rule"] = build(pack(tmp_path / "pack", {OWN: rules.source()}), stage="s6").digest
    library = source / "governance" / "lib" / "time" / "time.rego"
    library.write_text(library.read_text() + "\n_more := 1\n")
    digests["library"] = build(stage="s7").digest
    assert len(set(digests.values())) == len(digests)


def test_what_only_tests_read_leaves_the_digest_alone(build: Build, source: Path) -> None:
    before = build(stage="before").digest
    for path in source.rglob("*_test.rego"):
        path.unlink()
    shutil.rmtree(source / "testing")
    shutil.rmtree(source / "samples")
    assert build(stage="after").digest == before


# --- Profiles --------------------------------------------------------------------------------------------------------


def actions(found: bundle.LaidOut, code: str) -> set[str]:
    return {table[code] for table in found.document["actions"]["tables"].values()}


def test_the_starter_profile_warns_by_name_where_no_provider_is(build: Build, tmp_path: Path) -> None:
    own = pack(tmp_path / "pack", {OWN: rules.source(severity="critical")})
    provided = frozenset({"models/*/authorship", "deployer"})
    found = build(own, provided=provided)
    assert found.warnings == ("deployment.some_rule only warns: no provider for models/*/registration",)
    assert actions(found, "deployment.some_rule") == {"warn"}
    assert "deny" in actions(found, f"deployment.{KEPT}")


def test_the_strict_profile_denies_whatever_is_provided(build: Build, tmp_path: Path) -> None:
    own = pack(tmp_path / "pack", {OWN: rules.source(severity="critical")})
    found = build(own, provided=frozenset(), profile="strict")
    assert found.warnings == ()
    assert actions(found, "deployment.some_rule") == {"deny"}


# --- The bundle itself -----------------------------------------------------------------------------------------------


@pytest.fixture
def built(opa_binary: Path, source: Path, tmp_path: Path) -> bundle.BuiltBundle:
    return bundle.build(PolicySettings(), opa_binary, source, tmp_path / "work", tmp_path / "keys" / "bundle.key", None)


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        found = {member.name.lstrip("/"): archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in found.items() if file is not None}


def test_a_bundle_claims_everything_and_holds_no_test(built: bundle.BuiltBundle) -> None:
    found = members(built.path)
    manifest = json.loads(found[".manifest"])
    assert (manifest["revision"], manifest["roots"]) == (built.revision, [""])
    assert ".signatures.json" in found
    assert not [name for name in found if name.endswith("_test.rego") or "testing" in name or "sample" in name]
    assert json.loads(found["data.json"])["governance"]["index"]["revision"] == built.revision


def test_a_bundle_is_not_optimised(built: bundle.BuiltBundle, source: Path) -> None:
    """`-O1` is right and unusable: it expands the look-up of rules until one decision takes seconds."""
    main = members(built.path)["governance/main/main.rego"].decode()
    assert "dispatch.compliant[code]" in main
    assert main.count("_judged[code] :=") == (source / "governance/main/main.rego").read_text().count(
        "_judged[code] :="
    )


def test_a_bundle_is_verified_with_its_public_key_and_refused_when_touched(
    opa_binary: Path, built: bundle.BuiltBundle, tmp_path: Path
) -> None:
    def verified(path: Path) -> bool:
        command = [
            opa_binary, "build", "--bundle", path, "--output", tmp_path / "again.tar.gz",
            "--verification-key", built.public_key_path, "--signing-alg", bundle.SIGNING_ALGORITHM,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0

    assert verified(built.path)
    touched = tmp_path / "touched.tar.gz"
    with tarfile.open(built.path) as before, tarfile.open(touched, "w:gz") as after:
        for member in before:
            content = before.extractfile(member)
            if member.name.lstrip("/") == "governance/lib/people/people.rego":
                text = (content.read() if content else b"") + b"\n"
                member.size = len(text)
                (tmp_path / "people.rego").write_bytes(text)
                with (tmp_path / "people.rego").open("rb") as changed:
                    after.addfile(member, changed)
            else:
                after.addfile(member, content)
    assert not verified(touched)


NONDETERMINISTIC = {
    "the time": "time.now_ns()",
    "the network": 'http.send({"method": "get", "url": "http://127.0.0.1"})',
    "chance": 'rand.intn("x", 2)',
    "the process": "opa.runtime()",
    "a new id": 'uuid.rfc4122("x")',
    "a name server": 'net.lookup_ip_addr("localhost")',
    "another policy": 'rego.parse_module("x", "package x")',
    "tracing": 'trace("x")',
}


@pytest.mark.parametrize("call", NONDETERMINISTIC.values(), ids=NONDETERMINISTIC)
def test_a_built_in_that_depends_on_more_than_the_input_is_refused(
    call: str, opa_binary: Path, source: Path, tmp_path: Path
) -> None:
    library = source / "governance" / "lib" / "time" / "time.rego"
    library.write_text(library.read_text() + f"\n_more := {call}\n")
    with pytest.raises(PolicyError) as error:
        bundle.build(PolicySettings(), opa_binary, source, tmp_path / "work", tmp_path / "keys" / "bundle.key", None)
    assert any(f"undefined function {call.split('(', maxsplit=1)[0]}" in line for line in error.value.problems)
    assert any("governance/lib/time/time.rego" in line for line in error.value.problems)
    assert not list((tmp_path / "work").glob("*.tar.gz"))


def test_the_stripped_built_ins_come_from_opas_own_flag(opa_binary: Path) -> None:
    shown = json.loads(
        subprocess.run([opa_binary, "capabilities", "--current"], capture_output=True, check=True).stdout
    )
    flagged = {builtin["name"] for builtin in shown["builtins"] if builtin.get("nondeterministic")}
    allowed = bundle.allowed_capabilities(opa_binary)
    names = {builtin["name"] for builtin in allowed["builtins"]}
    assert {"http.send", "time.now_ns", "rand.intn", "opa.runtime", "uuid.rfc4122"} <= flagged
    assert {builtin["name"] for builtin in shown["builtins"]} - names == flagged | {"rego.parse_module", "trace"}
    assert allowed["allow_net"] == []
    assert "not" in allowed["future_keywords"]


def test_the_signing_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "bundle.key"
    public = bundle.signing_key(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before, shown = key.read_bytes(), public.read_bytes()
    assert b"PRIVATE" not in shown
    public.write_bytes(b"another key")
    assert bundle.signing_key(key).read_bytes() == shown
    assert key.read_bytes() == before


def test_the_policy_folder_is_the_configured_one_or_the_checkouts(tmp_path: Path) -> None:
    assert bundle.policy_dir(tmp_path) == tmp_path
    assert bundle.policy_dir(None) == ROOT / "rego"


# --- Dispatch --------------------------------------------------------------------------------------------------------


def test_each_rules_sets_are_named_literally(build: Build, tmp_path: Path) -> None:
    exempting = rules.source(
        body=rules.BODY + '\nexempt contains ["models", i] if {\n\tsome i, model in input.facts.models\n'
        "\tmodel.registration.registered == false\n}\n"
    )
    build(pack(tmp_path / "pack", {OWN: exempting}))
    text = (tmp_path / "stage" / "governance" / "main" / "dispatch" / "dispatch.rego").read_text()
    assert 'compliant["deployment.some_rule"] := data.governance.rules.deployment.some_rule.compliant' in text
    assert 'exempt["deployment.some_rule"] := data.governance.rules.deployment.some_rule.exempt' in text
    assert f'exempt["deployment.{KEPT}"] := set()' in text
