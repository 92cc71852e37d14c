"""The scenes of the demo: what people try, and what Proctor answers."""

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from proctor.cli.demo import objects
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.server import Server, children, gone
from proctor.errors import EngineError

_DECISION: Final = re.compile(r"dec_[0-9a-z]{26}")
_SHORTEST_WAIVER: Final = 5.0
"""Seconds. On a slow machine the waiver lasts longer: three commands have to fit into it."""
_RECOVERY_LIMIT: Final = 30.0


class Scenes:
    """One running server, and the people on it. Scenes are played in the order of the methods."""

    def __init__(self, server: Server, narrator: Narrator) -> None:
        self._server = server
        self._tell = narrator
        self._keys: dict[str, str] = {}
        self._slowest = 0.0

    # --- 1. Who and what ---------------------------------------------------------------------------------------------

    def people_and_models(self) -> None:
        """Register who takes part, and what may run."""
        alice = self._person("Alice", roles=[], environments=[])
        bruno = self._person("Bruno", roles=["requester", "approver"], environments=[objects.ENVIRONMENT])
        carla = self._person("Carla", roles=["approver"], environments=[])
        self._post(f"/v1/principals/{bruno}/aliases", {"system": "kubernetes", "name": objects.DEPLOYER})
        for name, person, roles in (("Bruno", bruno, ["requester", "approver"]), ("Carla", carla, ["approver"])):
            body = {"principal": person, "roles": roles, "points": [], "environments": [], "expires_in_days": 1}
            self._keys[name] = self._post("/v1/keys", body)["key"]
        self._tell.say(f"Alice trains models, Bruno ({objects.DEPLOYER}) deploys to prod, Carla approves exceptions.")
        for version, digest in (("7", objects.ALLOWED), ("8", objects.NEWER)):
            self._cli(
                "model", "register", "fraud", version, "--digest", digest, "--uri", f"{objects.MODEL}@{digest}",
                "--uri", f"models:/fraud/{version}", "--author", alice, "--exposure", "internal",
                "--autonomy", "supervised", "--data-class", "internal",
            )  # fmt: skip
        self._cli("model", "allow", "fraud", "7", "--environment", objects.ENVIRONMENT)

    def _person(self, name: str, *, roles: list[str], environments: list[str]) -> str:
        body = {"kind": "person", "name": name, "roles": roles, "environments": environments}
        return str(self._post("/v1/principals", body)["id"])

    # --- 2. and 3. Refused, allowed ----------------------------------------------------------------------------------

    def refusals(self) -> None:
        """Three ways to be refused, for a Deployment and for an InferenceService."""
        self._tell.chapter("Refused", "Bruno applies manifests; the API server asks Proctor's admission endpoint.")
        cases = (
            ("whatever is champion today", "models:/fraud@champion", f"{objects.MODEL}:latest",
             "model_reference_immutable"),
            ("a model that nobody registered", "models:/shadow/1", f"{objects.MODEL}-shadow@{objects.digest('s')}",
             "model_registered"),
            ("another version than the allowed one", "models:/fraud/8", f"{objects.MODEL}@{objects.NEWER}",
             "model_digest_allowed"),
        )  # fmt: skip
        for what, for_deployment, for_service, rule in cases:
            documents = (
                objects.deployment("fraud-scorer", for_deployment),
                objects.inference_service("fraud", for_service),
            )
            for document in documents:
                self._apply(document, what, expected="deny", rule=f"deployment.{rule}")

    def allowed(self) -> None:
        """Deploy the digest that is allowed, both ways."""
        self._tell.chapter("Allowed", "The same two with the digest that is allowed in prod.")
        self._apply(objects.deployment("fraud-scorer", "models:/fraud/7"), "version 7", expected="allow")
        pinned = f"{objects.MODEL}@{objects.ALLOWED}"
        self._apply(objects.inference_service("fraud", pinned), "version 7, by digest", expected="allow")

    # --- 4. A waiver -------------------------------------------------------------------------------------------------

    def waiver(self) -> None:
        """One finding that two people let through, for a few seconds."""
        rule = "deployment.image_registry_allowed"
        document = objects.deployment("fraud-canary", "models:/fraud/7", image=objects.FOREIGN_IMAGE)
        self._tell.chapter(
            "A waiver", "The image comes from a registry that is not on the list. Two people may let that pass."
        )
        denied = self._apply(document, "an image from elsewhere", expected="deny", rule=rule)
        seconds = math.ceil(max(_SHORTEST_WAIVER, 6 * self._slowest))
        made = self._cli(
            "waiver", "request", "--decision", denied["id"], "--rule", rule, "--for", f"{seconds}s",
            "--reason", "the usual registry is down, agreed in the incident call", "--output", "json",
            by="Bruno", show=lambda text: f"{json.loads(text)['id']}  requested by Bruno",
        )  # fmt: skip
        waiver = json.loads(made)
        self._cli("waiver", "sign", waiver["id"], by="Bruno", fails=True)
        self._cli("waiver", "sign", waiver["id"], by="Carla")
        self._apply(document, "the same again", expected="allow", rule=rule, effect="waived")
        until = datetime.fromisoformat(waiver["valid_until"]).timestamp() + 1
        for _ in self._tell.waiting("the waiver ends", 60, 0.1):
            if datetime.now(UTC).timestamp() >= until:
                break
        self._apply(document, "one second after its end", expected="deny", rule=rule, effect="deny")

    # --- 5. OPA is killed --------------------------------------------------------------------------------------------

    def engine_killed(self) -> None:
        """OPA dies; nothing is let through meanwhile; it comes back by itself."""
        document = objects.deployment("fraud-scorer", "models:/fraud/7")
        self._tell.chapter("OPA is killed", "The allowed Deployment once more, right after kill -9 on the OPA process.")
        decision = self._apply_without_opa(document)
        self._tell.decision("kubectl apply: fraud-scorer, version 7", decision, expected="error")
        if decision.get("reason") != "engine_unavailable":
            self._tell.surprise(f"the reason is {decision.get('reason')}, not engine_unavailable")
        self._tell.say("The API server was told: not allowed. Without a policy engine nothing gets in.")
        for seconds in self._tell.waiting("nobody does anything", _RECOVERY_LIMIT, 0.25):
            if self._review(document).get("allowed"):
                self._tell.say(f"recovered by itself after {seconds:.1f} s", style="bold")
                break
        self._apply(document, "version 7", expected="allow")

    def _apply_without_opa(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Kill OPA and ask at once; again if the server was faster than we."""
        decision: dict[str, Any] = {}
        for _ in range(5):
            victims = children(self._server.pid, "opa")
            if not victims:
                raise EngineError("looking for the OPA process", f"none below {self._server.pid}", "This needs Linux")
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            if not all(gone(victim) for victim in victims):
                raise EngineError("killing OPA", "it lives on")
            answer = self._review(document)
            decision = self._decision(answer)
            if answer.get("allowed") is not False and decision.get("outcome") != "allow":
                self._tell.surprise(f"the API server was told allowed={answer.get('allowed')}")
            if decision.get("reason") == "engine_unavailable":
                break
        return decision

    # --- What the scenes are made of ---------------------------------------------------------------------------------

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        with self._server.operator() as client:
            response = client.post(path, json=body)
        if response.is_error:
            raise EngineError(f"POST {path}", f"HTTP {response.status_code}: {response.text[:500]}")
        return response.json()

    def _review(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Ask as an API server does: over TCP, without a credential. Return the review's response."""
        url = f"{self._server.record['url']}/v1/adapters/kubernetes/admit?timeout=5s"
        response = httpx.post(url, json=objects.review(dict(document)), timeout=10, trust_env=False)
        if response.status_code != httpx.codes.OK:
            raise EngineError(f"POST {url}", f"HTTP {response.status_code}: {response.text[:500]}")
        answer: dict[str, Any] = response.json()["response"]
        return answer

    def _decision(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recorded decision behind an admission response; a denial may be recorded a moment later."""
        found = _DECISION.search(json.dumps(answer))
        if found is None:
            raise EngineError("reading the admission response", f"no decision id in {json.dumps(answer)[:500]}")
        with self._server.operator() as client:
            for _ in range(50):
                response = client.get(f"/v1/decisions/{found[0]}")
                if not response.is_error:
                    decision: dict[str, Any] = response.json()
                    return decision
                time.sleep(0.1)
        raise EngineError(f"GET /v1/decisions/{found[0]}", f"HTTP {response.status_code}: {response.text[:500]}")

    def _apply(
        self,
        document: Mapping[str, Any],
        what: str,
        *,
        expected: str,
        rule: str | None = None,
        effect: str | None = None,
    ) -> dict[str, Any]:
        answer = self._review(document)
        decision = self._decision(answer)
        asked = f"kubectl apply: {document['kind']} {document['metadata']['name']}, {what}"
        self._tell.decision(asked, decision, expected=expected, rule=rule)
        if answer.get("allowed") is not (expected == "allow"):
            self._tell.surprise(f"{asked}: the API server was told allowed={answer.get('allowed')}")
        effects = {finding["effect"] for finding in decision.get("findings", ()) if finding["rule"] == rule}
        if effect is not None and effects != {effect}:
            self._tell.surprise(f"{asked}: {rule} has {effects}, not {effect}")
        return decision

    def _cli(self, *arguments: str, by: str | None = None, fails: bool = False, show: Any = None) -> str:
        """Run a proctor command as a person would, show it, and return its standard output."""
        started = time.monotonic()
        key = {"PROCTOR_API_KEY": self._keys[by]} if by else {}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "proctor.cli", *arguments],
            env=self._server.environment(**key), capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        self._slowest = max(self._slowest, time.monotonic() - started)
        shown = (
            show(done.stdout)
            if show and done.returncode == 0
            else done.stdout + (done.stderr if done.returncode else "")
        )
        who = f"[{by}] " if by else ""
        self._tell.command(f"{who}proctor {shlex.join(arguments)}", shown)
        if (done.returncode != 0) is not fails:
            self._tell.surprise(f"proctor {arguments[0]} {arguments[1]} ended with code {done.returncode}")
        return done.stdout
