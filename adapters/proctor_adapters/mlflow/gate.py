"""Answers the plugin: asks for a decision, and does what follows from an allow before the answer leaves.

An allowed promotion is remembered, so that it is judged again when a fact behind it changes, and its digest may be
deployed in the environment that the alias stands for. If either can't be written, the answer is no.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from pydantic import ValidationError

from proctor.errors import ProctorError, RefusedError, SettingsError
from proctor.plugins import Ended, RegisteredVersion, Services
from proctor.vocabulary.artifacts import ManifestFile, manifest_digest
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind
from proctor.vocabulary.references import MODEL_NAME
from proctor.vocabulary.words import BLOCKING, EvidenceTier, Outcome, Stage
from proctor_adapters.mlflow import translate
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.models import (
    GateCall,
    ManifestCall,
    Pending,
    PendingCall,
    Registered,
    Reply,
    RetiredCall,
    VersionEvidence,
)

log = structlog.get_logger(__name__)

SYSTEM = "mlflow"
ARTIFACT_CHANGED = "artifact_changed"
_KEPT_PREFLIGHTS = 1000


class Gate:
    """What stands behind the routes."""

    def __init__(self, services: Services, settings: MlflowSettings) -> None:
        """Take what the server lends. Raises `SettingsError` where that is less than a registry needs."""
        self._decider = services.decider
        self._people = services.people
        self._settings = settings
        models, standing, violations = services.models, services.standing, services.violations
        if models is None or standing is None or violations is None or services.preflights is None:
            raise SettingsError("making the adapter mlflow", "the server lends no inventory", "Update Proctor")
        self._models, self._standing, self._violations = models, standing, violations
        self._preflights = services.preflights
        self._read: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        """Preflights by their ids. A record in the ledger never changes."""

    def _resolve(self, user: str | None) -> Actor:
        if user is None:
            return Actor(id=f"unresolved:{SYSTEM}", kind=PrincipalKind.UNRESOLVED, authenticated_by=SYSTEM)
        return self._people.resolve(SYSTEM, user)

    async def ask(self, call: GateCall, caller: Caller) -> Reply:
        """Answer one question. Never raises for what Proctor can't do: that is a no with its reason."""
        try:
            if call.action == "create_run":
                request = translate.run_started(call.preflight, self._settings)
                return self._reply(await self._decide(request, caller, call.user, {}))
            if call.action in {"write_artifact", "remove"}:
                return self._touched(call)
            if call.version is None:
                return Reply(allowed=False, governed=True, message="denied: the question names no version")
            return await self._version(call, call.version, caller)
        except ProctorError as error:
            log.warning("mlflow.not_decided", action=call.action, error=str(error))
            return Reply(allowed=False, governed=True, message=f"denied: {error}"[:2000])
        except ValidationError as error:
            # What somebody wrote into MLflow has no place in the vocabulary: an empty or endless name, a wrong time.
            found = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
            log.warning("mlflow.not_asked", action=call.action, found=found)
            return Reply(allowed=False, governed=True, message=f"denied: this can't be asked: {found}"[:2000])

    async def _decide(self, request: Any, caller: Caller, user: str | None, tiers: Mapping[str, Any]) -> Decision:
        asking = translate.asking(caller, self._resolve(user), tiers, self._settings.budget)
        return await self._decider.decide(request, asking)

    async def _version(self, call: GateCall, version: VersionEvidence, caller: Caller) -> Reply:
        # The inventory would refuse it, too: better told when a version is made than when nobody hashes it.
        if not MODEL_NAME.fullmatch(version.name):
            found = f"denied: a model called {version.name!r:.220} can't be kept; names are like {MODEL_NAME.pattern}"
            return Reply(allowed=False, governed=True, message=found)
        record, changed = await asyncio.gather(
            self._preflight(version.preflight), self._violations.open_keys(ARTIFACT_CHANGED)
        )
        purpose = record.get("purpose")
        lineage = translate.lineage(version.inputs, _declared(record), self._settings.unity)
        if call.action == "register":
            request = translate.registered(version, lineage, purpose, self._settings)
            tiers = {translate.SIGNATURE: EvidenceTier.OBSERVED}
            return self._reply(await self._decide(request, caller, call.user, tiers))
        target = (call.target or "").casefold()
        environment = self._settings.environment(version.name, target)
        if environment is None:
            if self._settings.protected(target):
                found = f"denied: {target} is protected, and nothing in adapters.mlflow.targets is about {version.name}"
                return Reply(allowed=False, governed=True, message=found)
            return Reply(allowed=True, governed=False, message=f"{target} is no alias or stage that rules are about")
        key = f"{version.name}/{version.version}"
        digest = self._models.digest(version.name, version.version)
        wrong = None
        if key in changed:
            wrong = f"the files of {key} are not those that were registered. Log and register a new version."
        elif version.files == "changed" and digest is not None:
            wrong = f"manifest_pending: files of {key} were written since they were hashed, and are being hashed now. "
            wrong += "Try again in a moment."
        if wrong is not None:
            return Reply(allowed=False, governed=True, message=f"denied: {wrong}")
        request, tiers = translate.promoted(
            version,
            lineage,
            purpose,
            digest,
            target,
            environment,
            resolve=self._resolve,
            settings=self._settings,
        )
        asking = translate.asking(caller, self._resolve(call.user), tiers, self._settings.budget)
        decision = await self._decider.decide(request, asking)
        if decision.allowed:
            await self._standing.remember(request, asking, decision)
            if environment not in self._models.allowed_in(version.name, version.version):
                await self._models.allow(version.name, version.version, [environment], asking.caller.actor.id)
        return self._reply(decision)

    async def _preflight(self, claimed: str | None) -> Mapping[str, Any]:
        if not claimed:
            return {}
        record = self._read.get(claimed) or await self._preflights.read(claimed)
        if record is not None:
            self._read[claimed] = record
            while len(self._read) > _KEPT_PREFLIGHTS:
                self._read.popitem(last=False)
        return record or {}

    def _touched(self, call: GateCall) -> Reply:
        """Refuse what would make something else of what was judged.

        The files of a registered version stay as they were hashed; what a version that is in use rests on stays, too.
        """
        in_use = call.supporting + (call.versions if call.action == "remove" else [])
        written = call.versions if call.action == "write_artifact" else []
        sealed = [f"{name}/{version} is allowed to run" for name, version in in_use if self._used(name, version)]
        for name, version in written:
            if self._models.digest(name, version) is not None:
                sealed.append(f"these are files of {name}/{version}, which is registered with its digest")
        if not sealed:
            return Reply(allowed=True, governed=False, message="nothing that is in use rests on this")
        what = "; ".join(sealed[:5])
        return Reply(allowed=False, governed=True, message=f"denied: {what}. Log and register a new version instead.")

    def _used(self, name: str, version: str) -> bool:
        return bool(self._models.allowed_in(name, version))

    async def pending(self, call: PendingCall) -> Pending:
        """Return the versions whose files are to be hashed: for the first time, or again because they are in use."""
        changed = await self._violations.open_keys(ARTIFACT_CHANGED)
        return Pending(
            versions=[
                (name, version)
                for name, version in call.versions
                if not self._models.hashed(name, version) or self._used(name, version) or f"{name}/{version}" in changed
            ]
        )

    async def retired(self, call: RetiredCall) -> None:
        """Record that versions left an alias or stage; what was allowed there for them holds no longer.

        Nobody was asked: taking out of use works at any time. Raises `ProctorError` where it can't be recorded.
        """
        target = call.target.casefold()
        for name, version in call.versions:
            environment = self._settings.environment(name, target)
            if environment is None:
                continue
            ended = Ended(
                subject=translate.promoted_as(name, target), stage=str(Stage.REGISTRATION), environment=environment,
                item=translate.uri_of(name, version), by=self._resolve(call.user).id, at=call.at,
                why=f"{target} of {name}/{version} was taken away in MLflow",
            )  # fmt: skip
            await self._standing.end(ended)

    def _reply(self, decision: Decision) -> Reply:
        return Reply(
            allowed=decision.allowed,
            governed=True,
            message=_sentence(decision),
            decision=decision.id,
        )

    async def manifest(self, call: ManifestCall, caller: Caller) -> Registered:
        """Register a version with its files hashed. Other files than before are a violation."""
        version = call.version
        try:
            digest = manifest_digest(ManifestFile(file.path, file.sha256, file.size) for file in call.files)
        except ValueError as error:
            raise RefusedError("invalid_request", 422, "reading a manifest", str(error), "Update the plugin") from error
        record = await self._preflight(version.preflight)
        lineage = translate.lineage(version.inputs, _declared(record), self._settings.unity)
        author = self._resolve(version.user)
        key = f"{version.name}/{version.version}"
        uris = [translate.uri(version), *([f"models:/{version.model_id}"] if version.model_id else [])]
        known = self._models.digest(version.name, version.version)
        if known is not None and known != digest:
            # Nothing that differs from one round to the next: each difference would be an update, and an alert.
            detail = {"registered": known, "found": digest}
            await self._violations.open(ARTIFACT_CHANGED, key, key, detail)
            return Registered(digest=digest, changed=True)
        if known == digest and self._models.hashed(version.name, version.version):
            # Nothing is new, and an entry for each round over each version would be noise.
            await self._violations.resolve(ARTIFACT_CHANGED, key, "its files are those that were registered")
            return Registered(digest=digest, changed=False)
        registered = RegisteredVersion(
            name=version.name,
            version=version.version,
            digest=digest,
            uris=uris,
            unsafe_files=[file.path for file in call.files if file.unsafe],
            files=len(call.files),
            observed_at=call.hashed_at,
            author=None if author.kind is PrincipalKind.UNRESOLVED else author.id,
            purpose=record.get("purpose"),
            datasets=lineage.urns,
        )
        try:
            await self._models.register(registered, caller.actor.id)
        except RefusedError:
            if len(uris) == 1:
                raise
            # Another version was made from the same logged model, and `models:/m-...` stands for that one.
            await self._models.register(replace(registered, uris=uris[:1]), caller.actor.id)
        return Registered(digest=digest, changed=False)


def _declared(record: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of the datasets that a preflight was about."""
    parts = record.get("subject", {}).get("parts", {})
    return frozenset(parts.get("datasets", ()))


def _sentence(decision: Decision) -> str:
    """Return what a person reads in a notebook: each blocking finding with its remedy, and the decision's id."""
    if decision.outcome is Outcome.ALLOW:
        return f"{decision.message} [{decision.id}]"
    blocking = [finding for finding in decision.findings if finding.effect in BLOCKING]
    lines = [f"[{finding.rule}] {finding.message}. {finding.remediation}." for finding in blocking[:8]]
    if len(blocking) > len(lines):
        lines.append(f"and {len(blocking) - len(lines)} more")
    return f"{' '.join(lines) or decision.message} [{decision.id}]"[:4000]
