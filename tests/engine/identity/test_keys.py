import stat
from pathlib import Path

import pytest

from proctor.errors import StateError
from proctor.identity import keys


def test_the_pepper_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pepper"
    made = keys.pepper(path)
    assert len(made) == 32
    assert keys.pepper(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path], "no draft is left"


def test_a_pepper_that_anybody_reads_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    keys.pepper(path)
    path.chmod(0o644)
    with pytest.raises(StateError):
        keys.pepper(path)


def test_a_cut_pepper_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    keys.pepper(path)
    path.write_bytes(b"short")
    with pytest.raises(StateError) as refused:
        keys.pepper(path)
    assert "short" not in str(refused.value)


def test_keys_differ() -> None:
    made = {keys.mint()[1] for _ in range(200)}
    assert len(made) == 200


def test_the_mac_depends_on_the_pepper() -> None:
    assert keys.mac(b"a" * 32, "key") != keys.mac(b"b" * 32, "key")
