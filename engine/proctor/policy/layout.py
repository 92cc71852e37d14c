"""Lays the policy out as a folder in which OPA and Regal can be run: what is judged, its tests, and who wrote what.

Policy and tests stay in two folders. The policy's is exactly what the bundle would hold, so nothing that only a test
defines can take part in a decision; OPA merges both only where tests run.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.errors import PolicyError
from proctor.opa import annotations, bundle
from proctor.opa.index import Index
from proctor.policy import questions
from proctor.settings import Settings
from proctor.vocabulary.canonical import NotCanonical, canonical, decode

SAMPLES: Final = Path("samples") / "inputs"
"""Where allowed inputs stand, below the provided policy and below a pack."""
_TEST: Final = "_test.rego"
_SUPPORT: Final = "testing"
"""A folder of that name anywhere below the provided policy holds what tests import."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A policy on disk, ready to be run."""

    folder: Path
    """A temporary folder, private to its user."""
    laid_out: bundle.LaidOut
    inspected: Mapping[str, Any]
    """What `opa inspect` says of the policy."""
    origins: Mapping[Path, Path]
    """File in `policy` or `tests` -> the file that its author wrote. What the build generated has none."""
    samples: Mapping[str, Mapping[str, Any]]
    """Inputs by name, packs first: a pack's are named `<pack>/<name>`."""
    focus: Path | None = None
    """The pack whose rules are looked at; None: everything."""

    def built(self, binary: Path, folder: Path | None = None) -> bundle.BuiltBundle:
        """Build and sign a bundle of the policy, or of a `folder` that stands for it. Raises `PolicyError`."""
        key = self.folder / "keys" / "bundle.key"
        public = bundle.signing_key(key)
        target = self.folder / f"{(folder or self.policy).name}.tar.gz"
        # In a folder of its own: the authors' tests run beside it, and write the same file.
        work = self.folder / "building"
        work.mkdir(exist_ok=True)
        bundle.archive(binary, folder or self.policy, target, key, work)
        document = self.laid_out.document
        return bundle.BuiltBundle(target, self.laid_out.digest, document["revision"], Index(document), public)

    @property
    def policy(self) -> Path:
        """Return the folder that holds what the bundle would hold."""
        return self.folder / "policy"

    @property
    def tests(self) -> Path:
        """Return the folder that holds the tests and what they import."""
        return self.folder / "tests"

    def origin(self, file: Path) -> Path:
        """Return the file that an author knows `file` by, as short as it can be written."""
        found = self.origins.get(file, file)
        try:
            return found.relative_to(Path.cwd())
        except ValueError:
            return found

    def in_focus(self, file: Path) -> bool:
        """Tell whether a file of `policy` or `tests` is one that somebody wrote and wants to hear about."""
        written = self.origins.get(file)
        if written is None or self.focus is None:
            return written is not None
        return written.resolve().is_relative_to(self.focus.resolve())

    def named(self, text: str) -> str:
        """Return a message of a tool with the authors' own paths in it."""
        for file in sorted(self.origins, key=lambda path: -len(str(path))):
            text = text.replace(str(file), str(self.origin(file)))
        return text.replace(f"{self.policy}/", "").replace(f"{self.tests}/", "")


@contextmanager
def laid_out(settings: Settings, binary: Path, focus: Path | None = None) -> Iterator[Layout]:
    """Lay out the provided policy and the packs of `settings`, checked by the build; remove all of it afterwards.

    `focus` is the one of the packs whose rules are looked at. Raises `PolicyError` for what the build refuses, and for
    samples that are no inputs.
    """
    source = bundle.policy_dir(settings.policy_dir)
    with tempfile.TemporaryDirectory(prefix="prc-") as name:
        folder = Path(name).resolve()
        result = bundle.lay_out(settings.policy, binary, source, folder / "policy", focus=focus)
        questions.add_operations(result.document)
        write_json(folder / "policy" / "governance" / "index" / "data.json", result.document)
        origins = _origins(folder / "policy", source, settings.policy.packs)
        origins |= _copy_tests(folder / "tests", source, settings.policy.packs)
        samples = _samples(source, settings.policy.packs)
        with ThreadPoolExecutor() as pool:
            inspected, of_tests = pool.map(lambda part: annotations.inspect(binary, folder / part), ("policy", "tests"))
        _check_apart(inspected, of_tests)
        yield Layout(folder, result, inspected, origins, samples, focus)


def _origins(policy: Path, source: Path, packs: list[Path]) -> dict[Path, Path]:
    found: dict[Path, Path] = {}
    for file in sorted(policy.rglob("*.rego")):
        relative = file.relative_to(policy)
        written = next((root / relative for root in (source, *packs) if (root / relative).is_file()), None)
        if written is not None:
            found[file] = written
    return found


def authored(source: Path, packs: list[Path]) -> dict[str, Path]:
    """Return every Rego file that somebody wrote, by its path in the merged tree of provided policy and packs."""
    found: dict[str, Path] = {}
    for root in (source, *packs):
        for file in sorted(root.rglob("*.rego")):
            found.setdefault(file.relative_to(root).as_posix(), file)
    return found


def test_files(source: Path, packs: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield root and path of every file that tests consist of: tests, and what they import."""
    for file in sorted(source.rglob("*.rego")):
        relative = file.relative_to(source)
        if file.name.endswith(_TEST) or _SUPPORT in relative.parts[:-1]:
            yield source, file
    for pack in packs:
        yield from ((pack, file) for file in sorted(pack.rglob(f"*{_TEST}")))


def _copy_tests(tests: Path, source: Path, packs: list[Path]) -> dict[Path, Path]:
    found: dict[Path, Path] = {}
    tests.mkdir(parents=True)
    for root, file in test_files(source, packs):
        target = tests / file.relative_to(root)
        if target in found:
            raise PolicyError(
                "collecting the tests",
                [f"{file}: {found[target]} has the same place"],
                "A pack tests its own rules only",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        found[target] = file
    return found


def _samples(source: Path, packs: list[Path]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    problems: list[str] = []
    for pack in packs:
        found |= _read(pack / SAMPLES, f"{pack.resolve().name}/", problems)
    found |= _read(source / SAMPLES, "", problems)
    if problems:
        raise PolicyError("reading the samples", problems, "A sample is a whole input, as in rego/samples/inputs")
    return found


def _read(folder: Path, prefix: str, problems: list[str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            document = decode(file.read_bytes())
        except (OSError, NotCanonical) as error:
            problems.append(f"{file}: {error}")
            continue
        missing = _missing(document)
        problems += [f"{file}: {missing}"] if missing else []
        if isinstance(document, dict) and not missing:
            found[f"{prefix}{file.stem}"] = document
    return found


def _missing(document: Any) -> str:
    """Return what keeps a document from being an input that cases can be made from; empty if nothing does."""
    if not isinstance(document, dict):
        return "not an object"
    shape = {"stage": str, "operation": str, "environment": str, "subject": dict, "facts": dict, "context": dict}
    wrong = [name for name, kind in shape.items() if not isinstance(document.get(name), kind)]
    if wrong:
        return f"lacks {', '.join(wrong)}"
    subject, context = document["subject"], document["context"]
    if not isinstance(subject.get("kind"), str) or not isinstance(subject.get("parts"), dict):
        return "subject lacks kind or parts"
    return "" if isinstance(context.get("now"), str) else "context lacks now"


def _check_apart(policy: Mapping[str, Any], tests: Mapping[str, Any]) -> None:
    """Refuse a test that adds to a package of the policy: it would test something else than the bundle holds."""
    theirs: Mapping[str, list[str]] = tests.get("namespaces", {})
    shared = sorted(set(theirs) & set(policy.get("namespaces", {})))
    if shared:
        raise PolicyError(
            "collecting the tests",
            [f"{Path(theirs[name][0]).name}: {name} is a package of the policy" for name in shared],
            "Tests have a package of their own: the rule's, with _test behind it",
        )


def write_json(path: Path, document: Any) -> None:
    """Write canonical JSON to `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical(json.loads(json.dumps(document))))
