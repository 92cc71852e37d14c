"""Where the scenes are played: the servers, the people with their keys and logins, and the ways to ask."""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from proctor.cli.demo import objects
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.registry import Registry
from proctor.cli.demo.server import Server
from proctor.cli.demo.sink import Sink
from proctor.errors import EngineError
from proctor.notebook.preflight import TrainingRefusedError

_DECISION: Final = re.compile(r"dec_[0-9a-z]{26}")
_SOON: Final = 30.0
"""Seconds for what happens a moment later."""


class StoryEndsError(Exception):
    """What comes next rests on something that was refused; the narrator knows what."""


class Stage:
    """The servers of the demo, and who does what on them."""

    def __init__(self, server: Server, registry: Registry, sink: Sink, narrator: Narrator) -> None:
        self.server = server
        self.registry = registry
        self.sink = sink
        self.tell = narrator
        self.keys: dict[str, str] = {}
        """API key by name."""
        self.ids: dict[str, str] = {}
        """Principal by name."""
        self.slowest = 0.0
        """Seconds of the slowest command so far."""

    # --- People ------------------------------------------------------------------------------------------------------

    def principal(self, name: str, kind: str = "person", **grants: Any) -> None:
        """Add a person or service."""
        self.ids[name] = str(self.post("/v1/principals", {"kind": kind, "name": name.title(), **grants})["id"])

    def alias(self, name: str, system: str, alias: str) -> None:
        """Say who somebody is in another system."""
        self.post(f"/v1/principals/{self.ids[name]}/aliases", {"system": system, "name": alias})

    def key(self, name: str, roles: list[str], **more: Any) -> None:
        """Make an API key, good for a day."""
        body = {"principal": self.ids[name], "roles": roles, "expires_in_days": 1, **more}
        self.keys[name] = self.post("/v1/keys", body)["key"]

    # --- Asking Proctor ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Return Proctor's address for clients on this machine."""
        return str(self.server.record["url"])

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST as the local operator and return the answer."""
        with self.server.operator() as client:
            response = client.post(path, json=body)
        if response.is_error:
            raise EngineError(f"POST {path}", f"HTTP {response.status_code}: {response.text[:500]}")
        return response.json()

    def get(self, path: str) -> Any:
        """GET as the local operator and return the answer."""
        with self.server.operator() as client:
            response = client.get(path)
        if response.is_error:
            raise EngineError(f"GET {path}", f"HTTP {response.status_code}: {response.text[:500]}")
        return response.json()

    def decision(self, answer: str) -> dict[str, Any]:
        """Return the recorded decision that an answer names; a denial may be recorded a moment later."""
        found = _DECISION.search(answer)
        if found is None:
            raise EngineError("reading the answer", f"no decision id in {answer[:500]}")
        with self.server.operator() as client:
            for _ in range(50):
                response = client.get(f"/v1/decisions/{found[0]}")
                if not response.is_error:
                    decision: dict[str, Any] = response.json()
                    return decision
                time.sleep(0.1)
        raise EngineError(f"GET /v1/decisions/{found[0]}", f"HTTP {response.status_code}: {response.text[:500]}")

    def eventually(self, text: str, found: Callable[[], Any]) -> Any:
        """Return the first true answer of `found`; None, and a surprise, if there is none within moments."""
        for _ in self.tell.waiting(text, _SOON, 0.1):
            if answer := found():
                return answer
        self.tell.surprise(f"it did not come within {_SOON:.0f} s: {text}")
        return None

    def cli(self, *arguments: str, by: str | None = None, fails: bool = False, show: Any = None) -> str:
        """Run a proctor command as a person would, show it, and return its standard output."""
        started = time.monotonic()
        key = {"PROCTOR_API_KEY": self.keys[by]} if by else {}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "proctor.cli", *arguments],
            env=self.server.environment(COLUMNS=str(self.tell.columns), **key),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.slowest = max(self.slowest, time.monotonic() - started)
        shown = (
            show(done.stdout)
            if show and done.returncode == 0
            else done.stdout + (done.stderr if done.returncode else "")
        )
        who = f"[{by.title()}] " if by else ""
        self.tell.command(f"{who}proctor {shlex.join(arguments)}", shown)
        if (done.returncode != 0) is not fails:
            self.tell.surprise(f"proctor {arguments[0]} {arguments[1]} ended with code {done.returncode}")
        return done.stdout

    # --- Asking MLflow -----------------------------------------------------------------------------------------------

    @contextmanager
    def works(self, name: str, text: str) -> Iterator[None]:
        """Do as `name` what must be allowed, with signs of life. The story can't go on when it is not."""
        with self.tell.busy(f"[{name.title()}] {text}"):
            from mlflow.exceptions import MlflowException

            try:
                with self.session(name):
                    yield
            except (MlflowException, TrainingRefusedError) as error:
                self.tell.surprise(f"[{name.title()}] {text}: {error}")
                raise StoryEndsError from error

    @contextmanager
    def session(self, name: str) -> Iterator[None]:
        """Be `name` for MLflow's client and for `proctor.training`."""
        with self.registry.session(name, PROCTOR_URL=self.url, PROCTOR_API_KEY=self.keys[name]):
            yield

    def refused_by_mlflow(
        self, name: str, call: str, action: Callable[[], Any], *, blocking: Collection[str] = (), why: str = ""
    ) -> None:
        """Let `name` try what MLflow's server must refuse, for exactly these rules or with `why` in its answer."""
        from mlflow.exceptions import MlflowException

        asked = f"[{name.title()}] {call}"
        try:
            with self.session(name):
                action()
        except MlflowException as error:
            text, code = str(error), error.error_code
            status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]  # MLflow's
        else:
            self.tell.surprise(f"{asked}: MLflow let it pass")
            return
        if (code, status) != ("PERMISSION_DENIED", httpx.codes.FORBIDDEN):
            self.tell.surprise(f"{asked}: MLflow answered {status} {code}: {text[:300]}")
            return
        if blocking:
            self.tell.decision(asked, self.decision(text), expected="deny", blocking=blocking)
            self.tell.say(f"MLflow's answer: HTTP {status} {code}", style="dim")
            return
        self.tell.say(f"> {asked}", style="bold")
        self.tell.say(f"HTTP {status} {text.removeprefix(f'{code}: ')}", style="bold red")
        if why not in text:
            self.tell.surprise(f"{asked}: MLflow's answer does not say {why!r}")

    # --- Asking as the cluster does ----------------------------------------------------------------------------------

    def review(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Ask as an API server does: over TCP, without a credential. Return the review's response."""
        url = f"{self.url}/v1/adapters/kubernetes/admit?timeout=5s"
        response = httpx.post(url, json=objects.review(dict(document)), timeout=10, trust_env=False)
        if response.status_code != httpx.codes.OK:
            raise EngineError(f"POST {url}", f"HTTP {response.status_code}: {response.text[:500]}")
        answer: dict[str, Any] = response.json()["response"]
        return answer

    def apply(
        self,
        document: Mapping[str, Any],
        what: str,
        *,
        expected: str,
        rule: str | None = None,
        effect: str | None = None,
    ) -> dict[str, Any]:
        """Deploy, show the decision, and return it. `effect` is what `rule` must have come to."""
        answer = self.review(document)
        decision = self.decision(json.dumps(answer))
        asked = f"kubectl apply: {document['kind']} {document['metadata']['name']}, {what}"
        self.tell.decision(asked, decision, expected=expected, rule=rule)
        if answer.get("allowed") is not (expected == "allow"):
            self.tell.surprise(f"{asked}: the API server was told allowed={answer.get('allowed')}")
        effects = {finding["effect"] for finding in decision.get("findings", ()) if finding["rule"] == rule}
        if effect is not None and effects != {effect}:
            self.tell.surprise(f"{asked}: {rule} has {effects}, not {effect}")
        return decision
