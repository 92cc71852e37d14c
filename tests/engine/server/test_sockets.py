import json
import os
import stat
from pathlib import Path

import pytest

from proctor.errors import SettingsError
from proctor.server import sockets
from proctor.settings import ServerSettings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.com", "localhost.example.com", ""])  # noqa: S104
def test_beyond_loopback_needs_tls(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        sockets.open_listeners(ServerSettings(host=host, port=0, operations_port=0), tmp_path)
    assert "tls_certificate" in str(refused.value)


@pytest.mark.parametrize("given", ["tls_certificate", "tls_key"])
def test_half_a_pair_is_refused(tmp_path: Path, given: str) -> None:
    settings = ServerSettings(host="0.0.0.0", **{given: tmp_path / "x.pem"})  # noqa: S104
    with pytest.raises(SettingsError):
        sockets.open_listeners(settings, tmp_path)


def test_a_certificate_that_is_none_is_refused_before_anything_listens(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nonsense")
    settings = ServerSettings(host="0.0.0.0", tls_certificate=tmp_path / "x.pem", tls_key=tmp_path / "x.pem")  # noqa: S104
    with pytest.raises(SettingsError) as refused:
        sockets.open_listeners(settings, tmp_path)
    assert "PEM" in str(refused.value)


def test_the_local_socket_is_private_and_replaces_a_stale_one(state_dir: Path) -> None:
    for _ in range(2):
        bound, path = sockets._unix(state_dir / "run")
        assert path == state_dir / "run" / "api.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        bound.close()


def test_a_long_state_directory_gets_a_short_socket(state_dir: Path) -> None:
    run_dir = state_dir / ("x" * 100)
    bound, path = sockets._unix(run_dir)
    try:
        assert len(os.fsencode(path)) <= 107
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        bound.close()
        path.unlink()
        path.parent.rmdir()


def test_what_a_server_file_says_is_read_back(tmp_path: Path) -> None:
    assert sockets.read_server_file(tmp_path) is None
    (tmp_path / sockets.SERVER_FILE).write_text("[]")
    assert sockets.read_server_file(tmp_path) is None
    (tmp_path / sockets.SERVER_FILE).write_text(json.dumps({"socket": "/x"}))
    assert sockets.read_server_file(tmp_path) == {"socket": "/x"}
