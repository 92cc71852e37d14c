"""`proctor demo --keep`: the servers stay up after the story, for whoever wants to look around, until Ctrl-C."""

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from proctor.cli.demo.registry import ADMIN
from proctor.cli.demo.stage import Stage
from proctor.errors import EngineError

_POLL: Final = 0.5
_COMMANDS: Final = ("decisions list", "violation list --all", "model list", "ledger verify")


def keep(stage: Stage) -> None:
    """Start Proctor again on its whole ledger, say where everything is, and wait for Ctrl-C.

    Raises `EngineError` when a server ends by itself.
    """
    tell, folder = stage.tell, stage.server.folder
    stage.server.start("starting the server again")
    alice = _exports(
        folder / "alice.env",
        stage.registry.credentials("alice") | {"PROCTOR_URL": stage.url, "PROCTOR_API_KEY": stage.keys["alice"]},
    )
    operator = _exports(folder / "operator.env", stage.server.own)
    logins = {name: stage.registry.credentials(name)["MLFLOW_TRACKING_PASSWORD"] for name in (ADMIN, "alice", "victor")}
    python = shlex.quote(_shown(sys.executable))
    proctor = (
        "proctor" if shutil.which("proctor") else shlex.quote(_shown(str(Path(sys.executable).with_name("proctor"))))
    )
    tell.list(
        [
            f"MLflow        {stage.registry.url}",
            *(f"  login       {name} / {password}" for name, password in logins.items()),
            f"Proctor       {stage.url}",
            f"logs          {folder}/server.log {stage.registry.folder}/mlflow.log",
            "the notebook, as Alice, in another terminal:",
            f"  {python} -m pip install jupyterlab",
            f"  . {alice}",
            f"  {python} -m jupyter lab examples/notebook.ipynb",
            "commands, as the operator, in another terminal:",
            f"  . {operator}",
            *(f"  {proctor} {command}" for command in _COMMANDS),
            "Ctrl-C ends it and removes all of it.",
        ]
    )
    try:
        while True:
            time.sleep(_POLL)
            for name, running in (("Proctor", stage.server.running), ("MLflow", stage.registry.running)):
                if not running:
                    raise EngineError("keeping the servers up", f"{name} ended by itself", f"See the logs in {folder}")
    except KeyboardInterrupt:
        tell.say("clearing up", style="bold")


def _shown(path: str) -> str:
    """Return a path as people type it where they are: relative to here, if it is below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _exports(path: Path, variables: dict[str, str]) -> Path:
    """Write variables as a shell reads them, for this user alone."""
    path.touch(mode=0o600)
    path.write_text(
        "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()), encoding="utf-8"
    )
    return path
