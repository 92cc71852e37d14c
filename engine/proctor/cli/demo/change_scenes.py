"""What changes later: the files of a promoted version, and who answers for its data. Both are found, and told."""

from typing import Any

from proctor.cli.demo.catalog_scenes import emit
from proctor.cli.demo.narrator import short
from proctor.cli.demo.people import OWNER_IN_CATALOG
from proctor.cli.demo.stage import Stage
from proctor.cli.demo.training_scenes import Trained


class ChangeScenes:
    """Scenes are played in the order of the methods. Each mends what it broke."""

    def __init__(self, stage: Stage, champion: Trained) -> None:
        self._stage = stage
        self._tell = stage.tell
        self._champion = champion

    def play(self) -> None:
        """Play them all."""
        self._tell.chapter("What changes later", "What was allowed is not forgotten: it is looked at again.")
        self._files()
        self._owner()
        if self._stage.sink.refused:
            self._tell.surprise(f"the receiver refused {self._stage.sink.refused} alerts for their signature")

    def _files(self) -> None:
        """Change a file behind the gate."""
        places = [p for p in self._stage.registry.artifacts.rglob("MLmodel") if self._champion.model_id in p.parts]
        if len(places) != 1:
            self._tell.surprise(f"looked for the file MLmodel of the champion, found {len(places)}")
            return
        before = places[0].read_bytes()
        self._tell.say("Somebody with access to the storage appends a line to the champion's MLmodel file.")
        places[0].write_bytes(before + b"# changed\n")
        found = self._opened("artifact_changed", "the plugin hashes again what is in use")
        places[0].write_bytes(before)
        if found:
            registered, now = found["detail"]["registered"], found["detail"]["found"]
            self._tell.say(short(f"registered {registered}, found {now}"), style="bold red")
            if registered != self._champion.digest or now == registered:
                self._tell.surprise("the violation does not name the champion's digest and another one")
            self._resolved("artifact_changed", "the file is put back, and hashed again")

    def _owner(self) -> None:
        """Let the dataset's owner leave."""
        self._tell.say("Olga leaves the bank: the catalog sends that the dataset has no owner any more.")
        emit(self._stage, "catalog", owners=())
        found = self._opened("no_longer_allowed", "the promotion is judged again, as it rests on that")
        if found:
            rules = [finding["rule"] for finding in found["detail"]["findings"]]
            self._tell.say(f"would be denied today: {', '.join(rules)}", style="bold red")
            if rules != ["data.dataset_owned"]:
                self._tell.surprise(f"the violation names {rules}")
        self._stage.cli("violation", "list")
        emit(self._stage, "catalog", owners=(OWNER_IN_CATALOG,))
        self._resolved("no_longer_allowed", "the catalog names an owner again")

    def _opened(self, kind: str, text: str) -> Any:
        """Wait for an open violation and for its alert; return the violation."""
        found = self._stage.eventually(text, lambda: self._open(kind))
        if found:
            self._told("opened", found)
        return found

    def _resolved(self, kind: str, text: str) -> None:
        found = self._open(kind)
        if found is not None and self._stage.eventually(text, lambda: self._open(kind) is None):
            self._told("resolved", found)

    def _open(self, kind: str) -> Any:
        violations = self._stage.get("/v1/violations?open=true")["violations"]
        return next((one for one in violations if one["kind"] == kind), None)

    def _told(self, change: str, violation: Any) -> None:
        """Wait for the alert, at a receiver that takes nothing without Proctor's signature."""
        wanted = f"proctor.violation.{change}.v1"

        def arrived() -> Any:
            return any(
                alert["type"] == wanted and alert["data"]["id"] == violation["id"] for alert in self._stage.sink.alerts
            )

        if self._stage.eventually("the receiver of alerts", arrived):
            self._tell.say(
                f"{wanted}: {violation['kind']}, {violation['subject']} (signature verified)", style="bold yellow"
            )
