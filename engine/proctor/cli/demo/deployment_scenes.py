"""Deployment: what the registry allowed may run, and nothing else; a waiver; and OPA is killed."""

import json
import math
import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from proctor.cli.demo import objects
from proctor.cli.demo.process import children, gone
from proctor.cli.demo.stage import Stage
from proctor.cli.demo.training_scenes import Trained
from proctor.errors import EngineError

_SHORTEST_WAIVER: Final = 8
"""Seconds. On a slow machine the waiver lasts longer: three commands have to fit into it."""
_RECOVERY_LIMIT: Final = 30.0


class DeploymentScenes:
    """Scenes are played in the order of the methods."""

    def __init__(self, stage: Stage, champion: Trained, newer: Trained) -> None:
        self._stage = stage
        self._tell = stage.tell
        self._champion = f"models:/{objects.MODEL}/{champion.version}"
        self._champion_by_id = f"models:/{champion.model_id}"
        self._newer = f"models:/{objects.MODEL}/{newer.version}"

    def refusals(self) -> None:
        """Refuse in three ways what is not the version that was promoted, as Deployment and as InferenceService."""
        self._tell.chapter(
            "Deployment", "Bruno applies manifests; the cluster's API server asks Proctor's admission endpoint."
        )
        alias = f"models:/{objects.MODEL}@champion"
        cases = (
            ("whatever is champion at the time", alias, "model_reference_immutable"),
            ("a model that nobody registered", "models:/shadow/1", "model_registered"),
            ("the newer version, which nobody promoted", self._newer, "model_digest_allowed"),
        )
        for what, uri, rule in cases:
            for document in (objects.deployment("cheques", uri), objects.inference_service("cheques", uri)):
                self._stage.apply(document, what, expected="deny", rule=f"deployment.{rule}")

    def allowed(self) -> None:
        """Deploy the digest that was promoted, both ways, under both of its names."""
        self._tell.say("The same with the version that was promoted: its digest, whatever it is called.")
        document = objects.deployment("cheques", self._champion)
        self._stage.apply(document, self._champion, expected="allow")
        service = objects.inference_service("cheques", self._champion_by_id)
        self._stage.apply(service, self._champion_by_id, expected="allow")

    def waiver(self) -> None:
        """One finding that two people let through, for a few seconds."""
        rule = "deployment.image_registry_allowed"
        document = objects.deployment("cheques-canary", self._champion, image=objects.FOREIGN_IMAGE)
        self._tell.chapter(
            "A waiver", "The image comes from a registry that is not on the list. Two people may let that pass."
        )
        denied = self._stage.apply(document, "an image from elsewhere", expected="deny", rule=rule)
        seconds = math.ceil(max(_SHORTEST_WAIVER, 10 * self._stage.slowest))
        made = self._stage.cli(
            "waiver", "request", "--decision", denied["id"], "--rule", rule, "--for", f"{seconds}s",
            "--reason", "the usual registry is down, agreed in the incident call", "--output", "json",
            by="bruno", show=lambda text: f"{json.loads(text)['id']}  requested by Bruno",
        )  # fmt: skip
        waiver = json.loads(made)
        self._stage.cli("waiver", "sign", waiver["id"], by="bruno", fails=True)
        self._stage.cli("waiver", "sign", waiver["id"], by="carla")
        self._stage.apply(document, "the same again", expected="allow", rule=rule, effect="waived")
        until = datetime.fromisoformat(waiver["valid_until"]).timestamp() + 1
        for _ in self._tell.waiting("the waiver ends", 60, 0.1):
            if datetime.now(UTC).timestamp() >= until:
                break
        self._stage.apply(document, "one second after its end", expected="deny", rule=rule, effect="deny")

    def engine_killed(self) -> None:
        """OPA dies; nothing is let through meanwhile; it comes back by itself."""
        document = objects.deployment("cheques", self._champion)
        self._tell.chapter("OPA is killed", "The allowed Deployment once more, right after kill -9 on the OPA process.")
        decision = self._apply_without_opa(document)
        self._tell.decision("kubectl apply: cheques, the champion", decision, expected="error")
        if decision.get("reason") != "engine_unavailable":
            self._tell.surprise(f"the reason is {decision.get('reason')}, not engine_unavailable")
        self._tell.say("The API server was told: not allowed. Without a policy engine nothing gets in.")
        for seconds in self._tell.waiting("nobody does anything", _RECOVERY_LIMIT, 0.25):
            if self._stage.review(document).get("allowed"):
                self._tell.say(f"recovered by itself after {seconds:.1f} s", style="bold")
                break
        self._stage.apply(document, "the champion", expected="allow")

    def _apply_without_opa(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Kill OPA and ask at once; again if the server was faster than we."""
        server = self._stage.server.pid
        decision: dict[str, Any] = {}
        for _ in range(5):
            victims = children(server, "opa")
            if not victims:
                raise EngineError("looking for the OPA process", f"none below {server}", "This needs Linux")
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            if not all(gone(victim) for victim in victims):
                raise EngineError("killing OPA", "it lives on")
            answer = self._stage.review(document)
            decision = self._stage.decision(json.dumps(answer))
            if answer.get("allowed") is not False and decision.get("outcome") != "allow":
                self._tell.surprise(f"the API server was told allowed={answer.get('allowed')}")
            if decision.get("reason") == "engine_unavailable":
                break
        return decision
