"""The examinations of `proctor doctor`: each looks at one thing, changes nothing, and names its cure."""

import json
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proctor.errors import ProctorError
from proctor.plugins import Examined
from proctor.store.running import running_server

if TYPE_CHECKING:
    from proctor.settings import Settings

_SOCKET_PATH_LIMIT: Final = 107
"""Bytes that a Unix socket's path may have on Linux (unix(7), sun_path without its NUL)."""
_FREE_BYTES: Final = 256 * 1024 * 1024
_PRIVATE: Final = 0o077


def examine(settings: "Settings", *, quick: bool = False) -> Iterator[Examined]:
    """Yield the findings, in the order in which a start would meet the troubles."""
    checks = [
        ("state directory", _state),
        ("lock", _lock),
        ("clock", _clock),
        ("opa", _opa),
        ("database", _database),
        ("ports", _ports),
    ]
    if not quick:
        checks += [("policy", _policy), ("ledger", _ledger)]
    for name, check in checks:
        try:
            yield from check(settings)
        except ProctorError as error:
            yield Examined(name, "broken", f"{error.tried}: {error.found}", error.remedy)
        except OSError as error:
            yield Examined(name, "broken", str(error), "See to it that this user can read it")


def _state(settings: "Settings") -> Iterator[Examined]:
    folder, name = settings.state_dir, "state directory"
    if not folder.exists():
        parent = next(parent for parent in folder.parents if parent.exists())
        if os.access(parent, os.W_OK):
            yield Examined(name, "ok", f"{folder} is not there yet; the first start makes it")
        else:
            yield Examined(name, "broken", f"{parent} is not writable", "Set PROCTOR_STATE_DIR to a folder of yours")
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if folder.stat().st_uid != os.getuid():
        yield Examined(
            name, "broken", f"{folder} belongs to another user", "Set PROCTOR_STATE_DIR to a folder of yours"
        )
    elif mode & _PRIVATE:
        yield Examined(name, "broken", f"{folder} has mode {mode:o}: others can get at the keys", f"chmod 700 {folder}")
    else:
        yield Examined(name, "ok", f"{folder}, private")
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    if free < _FREE_BYTES:
        yield Examined(name, "note", f"{free // 2**20} MiB free", "Make room: a full disk denies everything")
    if len(os.fsencode(folder / "run" / "api.sock")) > _SOCKET_PATH_LIMIT:
        yield Examined(name, "note", "its path is too long for a Unix socket; the socket goes to a temporary folder")


def _lock(settings: "Settings") -> Iterator[Examined]:
    if (socket_path := running_server(settings.state_dir)) is not None:
        server = json.loads((settings.state_dir / "run" / "server.json").read_text(encoding="utf-8"))
        yield Examined("lock", "ok", f"a server runs (process {server.get('pid', '?')}, {socket_path})")
        return
    if not (settings.state_dir / "lock").exists():  # taking the lock would make the file
        yield Examined("lock", "ok", "free: no server has run here yet")
        return
    from proctor.store.lock import StateLock

    with StateLock(settings.state_dir):
        yield Examined("lock", "ok", "free: no server runs")


def _clock(settings: "Settings") -> Iterator[Examined]:  # noqa: ARG001 (every examination takes them)
    year = time.gmtime().tm_year
    if year // 100 != 20:  # noqa: PLR2004 (facts may be dated 2000 to 2099)
        yield Examined("clock", "broken", f"it is the year {year}", "Set the clock, and keep it set with NTP")
        return
    if not hasattr(time, "CLOCK_BOOTTIME"):
        yield Examined("clock", "note", "no boot clock: a jump can't be noticed", "Run Proctor on Linux")
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    yield Examined("clock", "ok", f"{now}; is that right? Rules and waivers go by it")


def _opa(settings: "Settings") -> Iterator[Examined]:
    if settings.opa.url:
        yield Examined("opa", "note", f"external: {settings.opa.url}", "The server's readiness says whether it answers")
        return
    from proctor.opa import binary

    found = binary.find(settings)
    yield Examined("opa", "ok", f"{found.version}, {found.origin}: {found.path}")


def _database(settings: "Settings") -> Iterator[Examined]:
    if not settings.database.startswith("sqlite:///"):
        yield Examined("database", "note", "PostgreSQL", "The server's readiness says whether it answers")
        return
    import sqlite3

    path = Path(settings.database.removeprefix("sqlite:///"))
    if not path.exists():
        yield Examined("database", "ok", "not there yet; the first start makes it")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _PRIVATE:
        yield Examined("database", "broken", f"{path} has mode {mode:o}", f"chmod 600 {path}")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        problems = [row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    finally:
        connection.close()
    if problems:
        yield Examined("database", "broken", "; ".join(problems), "Restore a backup; keep this file for the auditor")
    else:
        yield Examined("database", "ok", f"{path}, {path.stat().st_size // 1024} KiB")


def _ports(settings: "Settings") -> Iterator[Examined]:
    server = settings.server
    if running_server(settings.state_dir) is not None:
        return
    for option, port in (("--port", server.port), ("--operations-port", server.operations_port)):
        if port == 0:
            continue
        with socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((server.host, port))
            except OSError as error:
                text = f"{server.host}:{port}: {error.strerror}"
                yield Examined("ports", "broken", text, f"proctor serve {option} N, with a free one")
            else:
                yield Examined("ports", "ok", f"{server.host}:{port} is free")


def _policy(settings: "Settings") -> Iterator[Examined]:
    if settings.opa.url:
        return
    from proctor.opa import binary, bundle
    from proctor.policy import suppliers

    with tempfile.TemporaryDirectory(prefix="proctor-doctor-") as folder:
        built = bundle.build(
            settings.policy,
            binary.find(settings).path,
            bundle.policy_dir(settings.policy_dir),
            Path(folder),
            Path(folder) / "bundle.key",
            suppliers.delivered(),
        )
    yield Examined(
        "policy", "ok", f"{len(built.index.rules)} rules, revision {built.revision}, {settings.policy.profile}"
    )


def _ledger(settings: "Settings") -> Iterator[Examined]:
    path, key = Path(settings.database.removeprefix("sqlite:///")), settings.state_dir / "keys" / "ledger.pub"
    if not settings.database.startswith("sqlite:///") or not path.exists():
        return
    if not key.exists():
        yield Examined("ledger", "note", "no key yet", "The first start makes it")
        return
    from proctor.ledger import verify

    report = verify.verify_database(path, key.read_text(encoding="ascii"))
    if report.ok:
        yield Examined("ledger", "ok", f"{report.size} entries, whole")
    else:
        index, entry, what = report.problems[0]
        yield Examined("ledger", "broken", f"entry {index} ({entry}): {what}", "proctor ledger verify says all of it")
