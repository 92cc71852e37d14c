"""Builds the one bundle that OPA gets: rules, index and configuration together, checked, signed, digested.

The digest covers the content (path and SHA-256 of every file), so the same policy has the same digest and revision
on every machine. The build refuses what `opa build` accepts and what would weaken a rule: a second file in a package,
a pack outside its own rule packages, data in a pack, tests, nondeterministic built-ins.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proctor.errors import PolicyError
from proctor.opa import annotations, clauses, configuration, index, packs, soundness, weakening
from proctor.settings import PolicySettings
from proctor.vocabulary.canonical import canonical, digest, digest_bytes

_FORBIDDEN_BUILTINS: Final = frozenset({"rego.parse_module", "trace"})
"""Deterministic by OPA's own flag, yet no business of a rule; the nondeterministic ones carry the flag."""
SIGNING_ALGORITHM: Final = "ES256"
"""ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4): of the elliptic-curve algorithms, OPA's command line also takes
Ed25519, but the `keys` of its configuration, which a sidecar needs, refuse it."""
_SOURCES: Final = ("governance", "authz", "system")
_NEW_KEY: Final = "Move the file away: the next start makes a new key, and a sidecar needs its public half"
_OWN_PACKAGES: Final = ("data.governance.", "data.authz", "data.system.authz")


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """A signed bundle on disk, with the engine's own copy of its index."""

    path: Path
    digest: str
    revision: str
    index: index.Index
    public_key_path: Path
    warnings: tuple[str, ...] = ()
    """Lines for the log and the terminal, such as the rules that the profile only warns about."""


def policy_dir(configured: Path | None) -> Path:
    """Return the folder with the provided policy: as configured, of the checkout, or inside the installed package."""
    if configured is not None:
        return configured
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "_rego", package.parents[1] / "rego"):
        if (candidate / "governance" / "main" / "main.rego").is_file():
            return candidate
    raise PolicyError(
        "finding the provided policy", [f"neither {package / '_rego'} nor a checkout's rego/"], "Set PROCTOR_POLICY_DIR"
    )


def build(
    settings: PolicySettings,
    binary: Path,
    source: Path,
    work_dir: Path,
    key_path: Path,
    provided: frozenset[str] | None,
) -> BuiltBundle:
    """Build, check and sign the bundle into `work_dir` and return it.

    `binary` is the OPA to build with, `source` the provided policy, `key_path` the signing key (P-256, made at first
    use) and `provided` the fact groups that have a provider (None: all), which the profile `starter` asks; it has no
    default, so that nobody enforces by oversight what a server would only warn of. Raises
    `PolicyError` with one line for each thing that is wrong.
    """
    work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="build-") as folder:
        stage = Path(folder) / "policy"
        laid_out = lay_out(settings, binary, source, stage, provided)
        revision = laid_out.document["revision"]
        target = work_dir / f"{revision}.tar.gz"
        public = signing_key(key_path)
        archive(binary, stage, target, key_path, work_dir)
    return BuiltBundle(target, laid_out.digest, revision, index.Index(laid_out.document), public, laid_out.warnings)


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A policy as a folder: checked sources with everything that the build generates, not yet a bundle."""

    document: dict[str, Any]
    """The index, with its revision."""
    rules: tuple[annotations.RuleAnnotation, ...]
    digest: str
    warnings: tuple[str, ...]


def lay_out(
    settings: PolicySettings,
    binary: Path,
    source: Path,
    stage: Path,
    provided: frozenset[str] | None = None,
    focus: Path | None = None,
) -> LaidOut:
    """Collect, check and generate the policy into the folder `stage`; parameters and errors as `build`.

    `focus`: an author works on the rules below this folder, and waits: only they are searched for ways to fail open.
    """
    files = _collect(source, stage)
    collected: list[packs.Pack] = []
    for folder in settings.packs:
        collected.append(packs.collect(folder, stage, files))
        files |= collected[-1].files
    rules, document, warnings = _write_generated(stage, source, settings, binary, provided, collected, focus)
    content = digest({str(path.relative_to(stage)): digest_bytes(path.read_bytes()) for path in _files(stage)})
    revision = content.removeprefix("sha256:")[:16]
    document["revision"] = revision
    _write_json(stage / "governance" / "index" / "data.json", document)
    (stage / ".manifest").write_bytes(canonical({"revision": revision, "roots": [""], "rego_version": 1}))
    return LaidOut(document, tuple(rules), content, tuple(warnings))


def signing_key(path: Path) -> Path:
    """Return the path of the public key of the P-256 key at `path`, making both at first use (mode 0600).

    Raises `PolicyError` for a file that holds no such key.
    """
    public = path.with_suffix(".pub")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # Written aside and renamed, so that a crash leaves a whole key or none.
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_bytes(pem)
        draft.rename(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise PolicyError(f"reading the signing key {path}", [str(error)], _NEW_KEY) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PolicyError(f"reading the signing key {path}", ["no P-256 key"], _NEW_KEY)
    key_bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not public.exists() or public.read_bytes() != key_bytes:
        public.write_bytes(key_bytes)
    return public


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _collect(source: Path, stage: Path) -> set[str]:
    found: set[str] = set()
    for top in _SOURCES:
        for path in sorted((source / top).rglob("*.rego")):
            if path.name.endswith("_test.rego"):
                continue
            relative = path.relative_to(source)
            target = stage / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            found.add(str(relative))
    if not found:
        raise PolicyError(
            f"collecting the policy in {source}", ["no .rego file"], "Point PROCTOR_POLICY_DIR at a rego folder"
        )
    return found


def _write_generated(
    stage: Path,
    source: Path,
    settings: PolicySettings,
    binary: Path,
    provided: frozenset[str] | None,
    collected: Sequence[packs.Pack],
    focus: Path | None,
) -> tuple[list[annotations.RuleAnnotation], dict[str, Any], list[str]]:
    inspected = annotations.inspect(binary, stage)
    _check_packages(inspected, stage)
    rules = annotations.rules_of(inspected)
    base = clauses.load(source, settings.packs)
    clauses.check(base, rules)
    looked_at = [rule for rule in rules if focus is None or _below(focus, rule.file, (source, *settings.packs))]
    soundness.check(binary, stage, looked_at)
    (stage / "governance" / "main" / "dispatch").mkdir(parents=True, exist_ok=True)
    (stage / "governance" / "main" / "dispatch" / "dispatch.rego").write_text(dispatch(stage, rules), encoding="utf-8")
    defaults = source / "governance" / "config" / "provided.yaml"
    settled = configuration.load(defaults, settings, [pack.configuration for pack in collected])
    _check_names(stage, rules, settled)
    weakening.check(defaults, settings, collected, rules, lambda rule: (stage / rule.file).read_text(encoding="utf-8"))
    rules = configuration.with_waivers(rules, settled)
    _write_json(stage / "governance" / "config" / "values" / "data.json", configuration.values(settled))
    warned = _warned(rules, provided) if settings.profile == "starter" else {}
    document = index.build(
        rules,
        settled,
        source_digests={rule.code: digest_bytes((stage / rule.file).read_bytes()) for rule in rules},
        library_digest=_library_digest(stage),
        profile=settings.profile,
        warned=warned,
        provided=provided,
    )
    document["grants"] = [grant.model_dump() for grant in settings.grants]
    document["clauses"] = base.named_by(rules)
    _write_json(stage / "governance" / "index" / "data.json", document)
    return rules, document, [f"{code} only warns: {why}" for code, why in sorted(warned.items())]


def _below(focus: Path, file: str, roots: Sequence[Path]) -> bool:
    return any((root / file).is_file() and (root / file).resolve().is_relative_to(focus.resolve()) for root in roots)


def _check_packages(inspected: dict[str, Any], stage: Path) -> None:
    """Refuse a package in more than one file, in a foreign place, or at a path that does not match its folder."""
    problems: list[str] = []
    for package, files in sorted(inspected.get("namespaces", {}).items()):
        sources = [Path(file) for file in files if file.endswith(".rego")]
        if len(sources) > 1:
            problems.append(f"{', '.join(map(str, sources))}: {package} is defined in more than one file")
        if not package.startswith(_OWN_PACKAGES):
            problems.append(f"{sources[0]}: {package} is not a package of the policy")
        for file in sources:
            relative = file.relative_to(stage) if file.is_absolute() else file
            folder = ".".join(("data", *relative.parent.parts))
            if package not in {folder, f"{folder}.{relative.stem}"}:
                problems.append(f"{relative}: {package} does not match its folder")
    if problems:
        raise PolicyError("checking the packages", problems, "One package, one file, one owner")


def _check_names(
    stage: Path, rules: Sequence[annotations.RuleAnnotation], settled: configuration.Configuration
) -> None:
    problems: list[str] = []
    for rule in rules:
        for kind, name in soundness.configuration_names((stage / rule.file).read_text(encoding="utf-8")):
            known: object = settled.lists if kind == "list" else settled.thresholds
            if name is None:
                problems.append(f"{rule.file}: config.{kind} takes a literal name, so that the build can check it")
            elif name not in known:  # type: ignore[operator] # both are mappings
                problems.append(f"{rule.file}: config.{kind}({name!r}) is not in the configuration")
    if problems:
        raise PolicyError("checking the configuration names", problems)


def dispatch(stage: Path, rules: Sequence[annotations.RuleAnnotation]) -> str:
    """Return the generated module that names each rule's sets literally.

    Without it the aggregator would refer to all rules at once, and a test that calls the decision from a rule's test
    package would be a recursion error.
    """
    lines = [
        "# METADATA",
        "# title: Dispatch",
        "# description: Generated by the build from the rules that exist. Not edited by hand.",
        "package governance.main.dispatch",
        "",
    ]
    for rule in rules:
        package = f"data.governance.rules.{rule.code}"
        lines.append(f'compliant["{rule.code}"] := {package}.compliant')
        has_exempt = "exempt" in soundness.rule_names((stage / rule.file).read_text(encoding="utf-8"))
        lines.append(f'exempt["{rule.code}"] := ' + (f"{package}.exempt" if has_exempt else "set()"))
        lines.append("")
    return "\n".join(lines)


def _warned(rules: Sequence[annotations.RuleAnnotation], provided: frozenset[str] | None) -> dict[str, str]:
    if provided is None:
        return {}
    warned: dict[str, str] = {}
    for rule in rules:
        groups = {
            "/".join(filter(None, (rule.custom.for_each if need.of is None else need.of, need.at)))
            for need in rule.custom.evidence
            if need.request is None
        }
        if missing := sorted(groups - provided):
            warned[rule.code] = f"no provider for {', '.join(missing)}"
    return warned


def _library_digest(stage: Path) -> str:
    folders = [stage / "governance" / name for name in ("lib", "config", "main/main.rego")]
    paths = [path for folder in folders for path in ([folder] if folder.is_file() else _files(folder))]
    return digest({str(path.relative_to(stage)): digest_bytes(path.read_bytes()) for path in paths})


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical(document))


def archive(binary: Path, stage: Path, target: Path, key_path: Path, work_dir: Path) -> None:
    """Build and sign the bundle `target` from the folder `stage`. Raises `PolicyError` for what does not compile."""
    capabilities = work_dir / "capabilities.json"
    capabilities.write_bytes(canonical(allowed_capabilities(binary)))
    # Written aside and renamed: a child that restarts, or a sidecar that downloads, reads a whole bundle or the former.
    draft = stage.parent / target.name
    # From inside the folder, because OPA writes the names of files into the bundle as they are given to it.
    command = [
        str(binary.absolute()), "build", "--bundle", ".", "--output", str(draft.absolute()), "--optimize", "0",
        "--capabilities", str(capabilities.absolute()), "--signing-key", str(key_path.absolute()),
        "--signing-alg", SIGNING_ALGORITHM,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, cwd=stage)
    if done.returncode != 0:
        detail = (done.stderr or done.stdout).decode(errors="replace").strip().replace(str(stage) + "/", "")
        raise PolicyError("building the bundle", detail.splitlines() or ["opa build failed"])
    draft.replace(target)


def allowed_capabilities(binary: Path) -> dict[str, Any]:
    """Return OPA's capabilities without nondeterministic built-ins, so that a decision depends on nothing else.

    The list comes from OPA's own flag, so that a new one is stripped without anybody noticing it first.
    """
    done = subprocess.run([str(binary), "capabilities", "--current"], capture_output=True, timeout=30, check=False)
    if done.returncode != 0:
        raise PolicyError("asking OPA for its capabilities", [done.stderr.decode(errors="replace").strip()])
    document: dict[str, Any] = json.loads(done.stdout)
    document["builtins"] = [
        builtin
        for builtin in document["builtins"]
        if not builtin.get("nondeterministic") and builtin["name"] not in _FORBIDDEN_BUILTINS
    ]
    document["allow_net"] = []
    return document
