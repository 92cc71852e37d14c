"""Opens the listeners, and says in `state_dir/run/server.json` where they are.

A listener beyond loopback needs TLS, because API keys would cross the network in the clear.
"""

import contextlib
import ipaddress
import json
import os
import secrets
import socket
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.errors import SettingsError, StateError
from proctor.settings import ServerSettings

SERVER_FILE: Final = "server.json"
_MAX_SOCKET_PATH: Final = 107
"""Bytes, from `sun_path` of unix(7) without its final zero."""
_BACKLOG: Final = 2048


@dataclass(slots=True)
class Listeners:
    """Bound sockets, not yet accepting."""

    api: socket.socket
    operations: socket.socket
    local: socket.socket
    local_path: Path
    scheme: str

    def addresses(self) -> dict[str, Any]:
        """Return what the server file says."""
        return {
            "pid": os.getpid(),
            "socket": str(self.local_path),
            "url": _url(self.scheme, self.api),
            "operations": _url("http", self.operations),
        }

    def close(self) -> None:
        """Close the sockets and remove the one that has a name."""
        for one in (self.api, self.operations, self.local):
            one.close()
        self.local_path.unlink(missing_ok=True)


def open_listeners(settings: ServerSettings, run_dir: Path) -> Listeners:
    """Bind all listeners. Raises `SettingsError` for an address that needs TLS, `StateError` for one that is taken."""
    secured = settings.tls_certificate is not None
    if secured != (settings.tls_key is not None):
        raise SettingsError(
            "reading the settings of the server", "of the TLS certificate and its key, one is missing",
            "Give server.tls_certificate and server.tls_key",
        )  # fmt: skip
    if secured:
        _check_certificate(settings)
    elif not _loopback(settings.host):
        raise SettingsError(
            f"listening on {settings.host}", "API keys would cross the network in the clear",
            "Give server.tls_certificate and server.tls_key, or listen on 127.0.0.1",
        )  # fmt: skip
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(_tcp(settings.host, settings.port))
        operations = stack.enter_context(_tcp(settings.host, settings.operations_port))
        local, path = _unix(run_dir)
        stack.pop_all()
        return Listeners(api, operations, local, path, "https" if secured else "http")


def announce(listeners: Listeners, run_dir: Path) -> Path:
    """Write the server file in one step, readable by this user only, and return its path."""
    path = run_dir / SERVER_FILE
    draft = run_dir / f".{SERVER_FILE}.{secrets.token_hex(4)}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(listeners.addresses(), file)
    draft.rename(path)
    return path


def _check_certificate(settings: ServerSettings) -> None:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(settings.tls_certificate), str(settings.tls_key))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"reading the certificate {settings.tls_certificate} and its key", str(error), "Give a pair in PEM form"
        ) from error


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tcp(host: str, port: int) -> socket.socket:
    tried = f"listening on {host} port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(tried, str(error), "Give server.host an address of this machine") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise StateError(tried, error.strerror or str(error), "Give another port, or 0 for a free one") from error
    return bound


def _unix(run_dir: Path) -> tuple[socket.socket, Path]:
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    run_dir.chmod(0o700)
    path = run_dir / "api.sock"
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        # mkdtemp makes it private to this user; the server file says where it is.
        path = Path(tempfile.mkdtemp(prefix="proctor-")) / "api.sock"
    # The state lock is held, so whoever left a socket there is gone.
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(0o600)
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise StateError(f"listening on {path}", str(error), "Set a shorter PROCTOR_STATE_DIR") from error
    return bound, path


def _url(scheme: str, bound: socket.socket) -> str:
    name: tuple[Any, ...] = bound.getsockname()
    host = f"[{name[0]}]" if bound.family == socket.AF_INET6 else name[0]
    return f"{scheme}://{host}:{name[1]}"


def read_server_file(run_dir: Path) -> Mapping[str, Any] | None:
    """Return what a server has written into its run directory, or None."""
    try:
        found = json.loads((run_dir / SERVER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
