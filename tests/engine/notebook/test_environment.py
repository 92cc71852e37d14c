"""An environment is locked when each package of it is fixed: an index's version, a commit, a hash, a clean checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from proctor.notebook import environment
from proctor.notebook.environment import locked, packages, recorded
from tests.engine.notebook.sites import commit, found, install

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VCS = {"url": "https://github.com/example/x", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
ARCHIVE = {"url": "https://example.com/x-1.0.tar.gz"}
SHA256 = "a" * 64


def editable(folder: Path) -> dict[str, Any]:
    return {"url": folder.as_uri(), "dir_info": {"editable": True}}


def line(site: Path) -> str:
    (one,) = packages(found(site))
    return one.line if not one.loose else f"LOOSE {one.loose}"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "x==1.0"),
        (VCS, f"x @ git+https://github.com/example/x@{COMMIT}"),
        (VCS | {"vcs_info": {"vcs": "hg", "commit_id": COMMIT}}, f"x @ hg+https://github.com/example/x@{COMMIT}"),
        (ARCHIVE | {"archive_info": {"hash": f"sha256={SHA256}"}}, f"x @ {ARCHIVE['url']}#sha256={SHA256}"),
        (ARCHIVE | {"archive_info": {"hashes": {"sha256": SHA256}}}, f"x @ {ARCHIVE['url']}#sha256={SHA256}"),
        (ARCHIVE | {"archive_info": {"hashes": {"sha512": "b" * 128}}}, f"x @ {ARCHIVE['url']}#sha512={'b' * 128}"),
    ],
    ids=["index", "git", "hg", "hash", "hashes", "sha512"],
)
def test_what_can_be_installed_again_exactly_is_fixed(tmp_path: Path, origin: Any, expected: str) -> None:
    install(tmp_path, "x", origin=origin)
    assert line(tmp_path) == expected
    assert locked(packages(found(tmp_path)))


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "file:///src/x", "dir_info": {"editable": True}},
        {"url": "file:///src/x", "dir_info": {}},
        {"url": "file:///src/x", "dir_info": {"editable": "yes"}},
        {"url": "file:///src/x"},
        VCS | {"vcs_info": {"vcs": "git", "commit_id": "main"}},
        VCS | {"vcs_info": {"vcs": "git", "commit_id": COMMIT[:12]}},
        VCS | {"vcs_info": {"vcs": "git", "requested_revision": COMMIT}},
        VCS | {"vcs_info": {"vcs": "svn", "commit_id": "4711"}},
        ARCHIVE | {"archive_info": {}},
        ARCHIVE | {"archive_info": {"hash": "md5=" + "a" * 32}},
        ARCHIVE | {"archive_info": {"hash": f"sha256={SHA256[:-1]}"}},
        ARCHIVE | {"archive_info": {"hashes": [SHA256]}},
        {"dir_info": {}},
        [],
        "{",
        "",
    ],
)
def test_what_can_change_is_not(tmp_path: Path, origin: Any) -> None:
    install(tmp_path, "fixed")
    install(tmp_path, "x", origin=origin if isinstance(origin, str | dict) else "[]")
    loose = [one for one in packages(found(tmp_path)) if one.loose]
    assert [one.line for one in loose] == ["x==1.0"]
    assert not locked(packages(found(tmp_path)))
    assert f"x==1.0  # not fixed: {loose[0].loose}" in recorded(packages(found(tmp_path)))


def test_an_editable_install_is_as_fixed_as_its_checkout(tmp_path: Path) -> None:
    source = tmp_path / "my source"
    at = commit(source, **{"x.py": "1"})
    site = tmp_path / "site"
    install(site, "x", origin=editable(source))
    assert line(site) == f"x==1.0  # editable, clean at {at}"
    (source / "x.py").write_text("2")
    assert line(site).startswith("LOOSE")
    assert commit(source) != at
    assert line(site).startswith("x==1.0")
    (source / "new.py").write_text("3")
    assert line(site).startswith("LOOSE"), "a module that nobody committed is installed, too"


def test_a_folder_that_git_ignores_or_does_not_know_is_not_clean(tmp_path: Path) -> None:
    source = tmp_path / "source"
    commit(source, **{".gitignore": "vendor/\n"})
    for name in ("vendor", "empty"):
        (source / name).mkdir()
    (source / "vendor" / "x.py").write_text("1")
    plain = tmp_path / "plain"
    plain.mkdir()
    for number, folder in enumerate((source / "vendor", source / "empty", plain, tmp_path / "gone")):
        site = tmp_path / f"site{number}"
        install(site, "x", origin=editable(folder))
        assert line(site).startswith("LOOSE"), folder


def test_a_copy_that_was_installed_from_a_clean_checkout_is_not_known_to_be_what_is_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    commit(source, **{"x.py": "1"})
    install(tmp_path / "site", "x", origin=editable(source) | {"dir_info": {}})
    assert line(tmp_path / "site").startswith("LOOSE")


def test_what_was_built_in_place_has_no_installer(tmp_path: Path) -> None:
    install(tmp_path, "x", record=False)
    assert line(tmp_path).startswith("LOOSE no installer")
    egg = tmp_path / "other" / "y.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: y\nVersion: 1.0\n")
    assert line(tmp_path / "other").startswith("LOOSE no installer")


def test_metadata_that_says_nothing_is_not_fixed(tmp_path: Path) -> None:
    folder = tmp_path / "x-1.0.dist-info"
    folder.mkdir()
    (folder / "RECORD").write_text("")
    assert line(tmp_path).startswith("LOOSE its metadata")
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: x\n")
    assert line(tmp_path).startswith("LOOSE its metadata")


def test_one_of_many_is_enough_and_none_at_all_is_not_locked(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        install(tmp_path, name)
    assert locked(packages(found(tmp_path)))
    install(tmp_path, "d", origin={"url": "file:///d", "dir_info": {}})
    assert not locked(packages(found(tmp_path)))
    assert not locked([]), "an environment of which nothing is known"


def test_a_password_in_an_address_is_not_kept(tmp_path: Path) -> None:
    secret = "https://user:s3cret@example.com/x?token=s3cret#s3cret"
    install(tmp_path, "x", origin=VCS | {"url": secret})
    install(tmp_path, "y", origin={"url": secret, "archive_info": {"hash": f"sha256={SHA256}"}})
    text = recorded(packages(found(tmp_path)))
    assert "s3cret" not in text
    assert f"x @ git+https://example.com/x@{COMMIT}" in text


def test_a_real_installer_leaves_what_is_read_here(tmp_path: Path) -> None:
    """A wheel by its path, and from a folder that stands for an index: pip's own work, without a network."""
    wheel = tmp_path / "x-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("x-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        file.writestr("x-1.0.dist-info/WHEEL", tag)
        file.writestr("x-1.0.dist-info/RECORD", "")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", tmp_path / "direct", wheel], check=True)
    subprocess.run([*pip, "--target", tmp_path / "index", "--find-links", tmp_path, "x"], check=True)
    assert line(tmp_path / "direct").startswith(f"x @ {wheel.as_uri()}#sha256=")
    assert line(tmp_path / "index") == "x==1.0"


def test_this_python_is_what_is_looked_at_by_default() -> None:
    lines = recorded(environment.packages()).splitlines()
    assert lines[0] == f"# Python {sys.version.split()[0]}"
    assert any(one.startswith("proctor") for one in lines)
    assert any(one.startswith("pytest==") for one in lines)
