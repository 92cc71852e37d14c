"""The demo from its first line to its last: sets up, tells the story, clears up."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from proctor.cli import exits
from proctor.cli.demo import keeping, objects, people
from proctor.cli.demo.catalog_scenes import CatalogScenes
from proctor.cli.demo.change_scenes import ChangeScenes
from proctor.cli.demo.deployment_scenes import DeploymentScenes
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.process import playground, undisturbed
from proctor.cli.demo.registration_scenes import RegistrationScenes
from proctor.cli.demo.registry import Registry
from proctor.cli.demo.server import Server
from proctor.cli.demo.sink import VARIABLE, Sink
from proctor.cli.demo.source import Source
from proctor.cli.demo.stage import Stage, StoryEndsError
from proctor.cli.demo.tampering import tampering
from proctor.cli.demo.training_scenes import TrainingScenes
from proctor.errors import SettingsError

_NEEDED: Final = {
    "mlflow": "MLflow",
    "flask_wtf": "MLflow's login",
    "openlineage": "OpenLineage",
    "sklearn": "scikit-learn",
}
"""What the extra `demo` installs, by module."""
_ACTIONS: Final = [{"rule": "training.recipe_recorded", "environment": "dev", "action": "warn"}]
"""Who plays the demo from a checkout with changes of their own has a Proctor in it that nobody could install again."""
_NEXT: Final = (
    "make demo KEEP=1                     the same, and the servers stay up: MLflow's UI, the notebook, every command",
    "examples/notebook.ipynb              what Alice did, in a notebook of your own",
    "proctor serve                        a server of your own; then 'proctor decisions list', ...",
    "proctor check deployment -f k8s/     your manifests, before they are applied",
    "proctor policy list                  the rules, and how bad each failure is",
    "proctor policy new deployment NAME   a rule of your own, with its test",
    "proctor doctor                       is this machine ready?",
)


def run(*, keep: bool) -> int:
    """Run the demo; return 0 if all came out as it should, 1 if not, 130 if it was interrupted."""
    _require_peers()
    narrator = Narrator()
    narrator.say(
        "Proctor decides whether AI may go ahead. This runs a real server with a real OPA, a real MLflow, a real "
        "training and a real ledger in a throw-away folder. Ctrl-C ends it at any time; nothing stays behind."
    )
    started: list[Callable[[], None]] = []
    with playground() as folder:
        try:
            stage = _stage(folder, narrator, started)
            _story(stage)
            if keep:
                end(narrator, "Done in {seconds:.0f} s. Everything is up again, until Ctrl-C:", ())
                keeping.keep(stage)
                return exits.DENY if narrator.surprises else exits.ALLOW
        except StoryEndsError:
            pass  # the narrator knows why, and says it at the end
        except KeyboardInterrupt:
            narrator.say("interrupted: clearing up", style="bold")
            return exits.INTERRUPTED
        finally:
            with undisturbed():
                for stop in reversed(started):
                    stop()
    return end(narrator, "Done in {seconds:.0f} s; nothing is left running. What to try next:", _NEXT)


def _require_peers() -> None:
    """Raise `SettingsError` where something is missing that the story cannot do without."""
    missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise SettingsError(
            "preparing the demo", f"not installed: {', '.join(missing)}",
            "Run 'make demo', which installs them, or install the extra: pip install 'proctor[demo]'",
        )  # fmt: skip


def _stage(folder: Path, narrator: Narrator, started: list[Callable[[], None]]) -> Stage:
    """Return servers that are not started yet; what ends each of them stands in `started` before it is."""
    sink = Sink()
    started.append(sink.close)
    purposes = {objects.PURPOSE: {"exposure": "internal", "autonomy": "supervised"}}
    # The profile is starter: strict would deny for facts that no system in this story gives.
    configuration: dict[str, Any] = {
        "server": {"port": 0, "operations_port": 0},
        "policy": {"purposes": purposes, "actions": _ACTIONS},
        "sinks": [sink.settings],
    }
    server = Server(folder, narrator, configuration, {VARIABLE: sink.secret})
    registry = Registry(folder, narrator)
    started += [server.stop, registry.stop]
    return Stage(server, registry, sink, narrator)


def _story(stage: Stage) -> None:
    tell = stage.tell
    tell.chapter("A server, and the people around one model")
    stage.server.start()
    people.enter(stage)
    stage.registry.start(stage.server.record["socket"], stage.keys["mlflow"])
    tell.say("MLflow is starting meanwhile; it takes a while.", style="dim")
    source = Source(stage.server.folder)
    CatalogScenes(stage, source).play()
    tell.chapter("Training", "MLflow's server has Proctor in front of its registry and its runs.")
    training = TrainingScenes(stage, source)
    training.prepare()
    stage.registry.wait()
    people.log_into_mlflow(stage)
    champion = training.play()
    registration = RegistrationScenes(stage, source, training)
    registration.play(champion)
    tell.say("Alice trains a newer version, and registers it. Nobody promotes it.")
    newer = training.train(0.1)
    registration.register(newer)
    deployment = DeploymentScenes(stage, champion, newer)
    deployment.refusals()
    deployment.allowed()
    deployment.waiver()
    deployment.engine_killed()
    ChangeScenes(stage, champion).play()
    tell.chapter("The ledger", "Each decision, waiver, registration and violation is an entry. The server stops, then:")
    stage.server.stop()
    tampering(stage.server, tell)


def end(narrator: Narrator, title: str, lines: Sequence[str]) -> int:
    """Say how it ended and what comes next; return the exit code: one surprise is enough for 1."""
    if narrator.surprises:
        narrator.chapter(f"{len(narrator.surprises)} things did not come out as they should")
        narrator.list(narrator.surprises)
        return exits.DENY
    narrator.chapter(title.format(seconds=narrator.elapsed()))
    narrator.list(lines)
    return exits.ALLOW
