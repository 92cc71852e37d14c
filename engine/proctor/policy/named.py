"""What people name when they compare policies: a bundle's file, a folder, a git revision, or what is configured.

A folder is a policy (`governance/main/main.rego` in it), a repository that holds one in `rego/`, or a pack, which is
built together with the provided policy. A revision is one of the repository that holds the policy or a pack.
"""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

from proctor.errors import NotFoundError, PolicyError
from proctor.opa import archive, bundle
from proctor.opa.archive import Archive
from proctor.policy import suppliers
from proctor.settings import PolicySettings, Settings

CONFIGURED: Final = "."
"""The policy and packs that are configured, as they stand on disk."""
_MAIN: Final = Path("governance") / "main" / "main.rego"
_GIT_LIMIT: Final = 60
_MAX_FILE: Final = 64 * 1024 * 1024


def read(name: str, settings: Settings, binary: Path) -> Archive:
    """Return the policy that `name` means, built as a server would with the configuration of `settings`.

    A bundle's file is taken as it is.
    Raises `NotFoundError` where it means nothing, `PolicyError` for what can't be built.
    """
    path = Path(name)
    if path.is_file():
        if path.stat().st_size > _MAX_FILE:
            raise PolicyError(f"reading the bundle {name}", [f"more than {_MAX_FILE} bytes"])
        return archive.read(path.read_bytes(), name)
    source, packs = bundle.policy_dir(settings.policy_dir), settings.policy.packs
    if name == CONFIGURED:
        return _built(settings, binary, source, packs)
    if name and path.is_dir():
        for folder in (path, path / "rego"):
            if (folder / _MAIN).is_file():
                return _built(settings, binary, folder, packs)
        if (path / ".manifest").is_file():
            return _built(settings, binary, source, [*packs, path])
        remedy = f"A policy has {_MAIN}, a pack has .manifest"
        raise NotFoundError(f"looking for a policy in {name}", "it is neither a policy nor a pack", remedy)
    with tempfile.TemporaryDirectory(prefix="prc-") as name_:
        roots = [source, *packs]
        taken = [_at(root, name, Path(name_) / str(number)) for number, root in enumerate(roots)]
        if not any(taken):
            raise NotFoundError(
                f"looking for the policy {name}",
                f"no file, no folder, and no revision of a repository that holds {' or '.join(map(str, roots))}",
                "Name a bundle (.tar.gz), a folder, or a git revision such as main or HEAD~1",
            )
        found = [mine or root for mine, root in zip(taken, roots, strict=True)]
        return _built(settings, binary, found[0], found[1:])


def _built(settings: Settings, binary: Path, source: Path, packs: Sequence[Path]) -> Archive:
    own: PolicySettings = settings.policy.model_copy(update={"packs": list(dict.fromkeys(packs))})
    with tempfile.TemporaryDirectory(prefix="prc-") as name:
        folder = Path(name).resolve()
        # Signed by nobody in particular: it is compared, and never put in force.
        key = folder / "keys" / "bundle.key"
        built = bundle.build(own, binary, source.absolute(), folder / "build", key, suppliers.delivered())
        return archive.read(built.path.read_bytes(), str(source))


def _at(root: Path, revision: str, target: Path) -> Path | None:
    """Return a folder with what `root` held at a revision of its repository; None where that knows no such revision."""
    top = _git(root, "rev-parse", "--show-toplevel")
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if top is None or commit is None:
        return None
    inside = root.resolve().relative_to(Path(top.decode().strip()).resolve())
    tree = f"{commit.decode().strip()}:{inside.as_posix()}" if inside.parts else commit.decode().strip()
    content = _git(Path(top.decode().strip()), "archive", "--format=tar", tree)
    if content is None:
        raise NotFoundError(f"taking {root} from {revision}", "it was not there then", "Name a revision that has it")
    target.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=BytesIO(content)) as tar:
            tar.extractall(target, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise PolicyError(f"taking {root} from {revision}", [str(error)]) from error
    return target


def _git(folder: Path, *arguments: str) -> bytes | None:
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run(
        [program, "-C", str(folder), *arguments], capture_output=True, timeout=_GIT_LIMIT, check=False
    )
    return done.stdout if done.returncode == 0 else None
