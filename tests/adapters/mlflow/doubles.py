"""Doubles with real semantics: a Decider that answers as told, people, and registers that keep what they are given."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from proctor.errors import NotFoundError, RefusedError
from proctor.plugins import Asking, Ended, RegisteredVersion, Services, Trained
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.request import DecisionRequest
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.gate import Gate

DIGEST = "sha256:" + "a" * 64
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PREFLIGHT = "dec_" + "1" * 26
GATE = Caller(
    actor=Actor("service:mlflow", PrincipalKind.SERVICE, "api-key"), roles=frozenset({Role.GATE}),
    points=frozenset({"mlflow-registry"}), environments=frozenset({"*"}), asserts=frozenset({"*"}), credential="key",
)  # fmt: skip


def decision(outcome: str = "allow", findings: Sequence[Mapping[str, Any]] = ()) -> Decision:
    return Decision.model_validate(
        {
            "id": "dec_" + "0" * 26, "outcome": outcome,
            "reason": "compliant" if outcome == "allow" else "non_compliant",
            "message": f"{outcome} it", "received_at": NOW, "decided_at": NOW, "findings": list(findings),
            "policy": {"revision": "r1", "digest": DIGEST},
        }
    )  # fmt: skip


def finding(rule: str, effect: str = "deny") -> dict[str, Any]:
    return {
        "rule": rule, "title": "t", "severity": "high", "at": ["models", 0], "item": ["models:/fraud/1"],
        "status": "fail", "effect": effect, "message": f"{rule} fails", "remediation": f"Mend {rule}",
    }  # fmt: skip


class FakeDecider:
    def __init__(self, answer: Decision, fault: Exception | None = None) -> None:
        self.answer, self.fault = answer, fault
        self.asked: list[tuple[DecisionRequest, Asking]] = []

    async def decide(self, request: DecisionRequest | bytes, asking: Asking) -> Decision:
        assert isinstance(request, DecisionRequest)
        self.asked.append((request, asking))
        if self.fault is not None:
            raise self.fault
        return self.answer


class FakePeople:
    """Knows alice and victor; everybody else is nobody."""

    def resolve(self, system: str, name: str) -> Actor:
        if system == "mlflow" and name in {"alice", "victor"}:
            return Actor(f"person:{name}", PrincipalKind.PERSON, "mlflow")
        return Actor("unresolved:mlflow", PrincipalKind.UNRESOLVED, "mlflow")


class FakeModels:
    """Keeps versions; as the inventory does, one URI stands for one version."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], RegisteredVersion] = {}
        self.allowances: dict[tuple[str, str], list[str]] = {}
        self.fault: Exception | None = None

    async def register(self, version: RegisteredVersion, by: str) -> None:
        for key, other in self.versions.items():
            if key != (version.name, version.version) and set(other.uris) & set(version.uris):
                raise RefusedError("conflict", 409, "registering", "another version holds a URI", "Use another")
        self.versions[version.name, version.version] = version

    async def allow(self, name: str, version: str, environments: Sequence[str], by: str) -> None:
        if self.fault is not None:
            raise self.fault
        if (name, version) not in self.versions:
            raise NotFoundError("allowing", "no such version", "Register it")
        self.allowances.setdefault((name, version), []).extend(environments)

    def digest(self, name: str, version: str) -> str | None:
        found = self.versions.get((name, version))
        return found.digest if found else None

    def hashed(self, name: str, version: str) -> bool:
        return (name, version) in self.versions

    def trained(self, name: str, version: str) -> Trained | None:
        found = self.versions.get((name, version))
        return Trained(found.digest, found.purpose, found.datasets) if found else None

    def allowed_in(self, name: str, version: str) -> Sequence[str]:
        return self.allowances.get((name, version), [])


class FakeStanding:
    def __init__(self) -> None:
        self.kept: list[DecisionRequest] = []
        self.ended: list[Ended] = []
        self.fault: Exception | None = None

    async def remember(self, request: DecisionRequest, asking: Asking, decision: Decision) -> None:
        if self.fault is not None:
            raise self.fault
        self.kept.append(request)

    async def end(self, ended: Ended) -> None:
        self.ended.append(ended)


class FakeViolations:
    def __init__(self) -> None:
        self.opened: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def open(self, kind: str, key: str, subject: str, detail: Mapping[str, Any]) -> None:
        self.opened[kind, key] = detail

    async def resolve(self, kind: str, key: str, why: str) -> None:
        self.opened.pop((kind, key), None)

    async def open_keys(self, kind: str) -> frozenset[str]:
        return frozenset(key for one, key in self.opened if one == kind)


class FakePreflights:
    """One preflight, on one dataset."""

    def __init__(self, datasets: Sequence[str] = ()) -> None:
        self.datasets = list(datasets)

    async def read(self, decision: str) -> Mapping[str, Any] | None:
        if decision != PREFLIGHT:
            return None
        return {"purpose": "fraud-detection", "subject": {"parts": {"datasets": self.datasets}}}


class World:
    """A gate with everything around it."""

    def __init__(self, answer: Decision | None = None, *, datasets: Sequence[str] = (), **settings: Any) -> None:
        self.decider = FakeDecider(answer or decision())
        self.models, self.standing, self.violations = FakeModels(), FakeStanding(), FakeViolations()
        self.services = Services(
            decider=self.decider, people=FakePeople(), configuration=settings, models=self.models,
            standing=self.standing, violations=self.violations, preflights=FakePreflights(datasets),
        )  # fmt: skip
        self.gate = Gate(self.services, MlflowSettings.read(settings))


def version(**fields: Any) -> dict[str, Any]:
    """Return the evidence on fraud/1, which alice's run made."""
    return {
        "name": "fraud", "version": "1", "model_id": "m-" + "0" * 32, "run_id": "1" * 32, "user": "alice",
        "preflight": PREFLIGHT, "created_at": NOW.isoformat(), "signature_inputs": True, "signature_outputs": True,
    } | fields  # fmt: skip


def measurement(user: str | None = "victor", **fields: Any) -> dict[str, Any]:
    found = {"metric": "accuracy", "value": 0.9, "dataset": "holdout@1", "samples": 500, "at": NOW.isoformat()} | fields
    return found | ({"user": user} if user else {})
