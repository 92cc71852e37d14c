"""One admission call from its bytes to its answer: read, translate, ask within the time there is, render, remember."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from starlette.responses import PlainTextResponse, Response

from proctor.errors import EngineError
from proctor.plugins import Asking, Services
from proctor.vocabulary.canonical import digest_bytes
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Caller
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import EvidenceTier, Outcome, Point
from proctor_adapters.kubernetes import models, replies
from proctor_adapters.kubernetes.configuration import KubernetesSettings, Registration
from proctor_adapters.kubernetes.findings import clean
from proctor_adapters.kubernetes.models import Envelope, Review
from proctor_adapters.kubernetes.translate import Governed, Passed, Refused, translate_review

log = structlog.get_logger(__name__)

SYSTEM: Final = "kubernetes"
_ANSWER_ALL_THE_SAME: Final = 0.1
"""Seconds past the budget in which a decision that is late all the same is waited for; the margin has 0.3."""


class Gate:
    """Answers admission calls."""

    def __init__(self, services: Services, settings: KubernetesSettings) -> None:
        self._services = services
        self._settings = settings
        self._late: set[asyncio.Task[Decision]] = set()
        """Decisions whose caller has its answer already; they finish, so that what they recorded is whole."""

    async def answer(
        self, raw: bytes, complete: bool, deadline: float, registration: str, *, over_limit: bool = False
    ) -> Response:
        """Return the answer to one call. `complete`: the whole body came. `deadline`: in the loop's time.

        `over_limit`: the server's limit on calls without a credential is reached; a 429 would be a failed call.
        """
        document, why = None, ""
        try:
            document = models.decode(raw) if complete and not over_limit else None
            why = "" if complete else "it is larger than 8 MiB, or did not arrive in time"
        except models.UnreadableError as error:
            why = str(error)
        envelope = models.envelope(raw, document)
        if envelope is None:
            body = replies.not_a_review(f"not an AdmissionReview: {why or 'there is no uid in it'}")
            return Response(body, status_code=400, media_type="application/json")
        if over_limit:
            log.warning("admission.over_limit", registration=registration)
            found = "too many calls from one address; server.unauthenticated_per_second is the limit"
            return _reply(replies.refused(envelope, "rate_limited", found, Outcome.ERROR))
        try:
            return await self._judge(raw, document, why, envelope, deadline, registration)
        except Exception:
            # The last resort is a refusal, never an answer: a 500 would be read as a failed call, and admitted under
            # failurePolicy Ignore.
            log.exception("admission.internal_error", uid=clean(envelope.uid, 100))
            message = "a defect in Proctor; see its log"
            return _reply(replies.refused(envelope, str(Reason.INTERNAL_ERROR), message, Outcome.ERROR))

    async def _judge(
        self, raw: bytes, document: Any, why: str, envelope: Envelope, deadline: float, registration: str
    ) -> Response:
        review = models.read(document)
        kind = models.text(models.mapping(document).get("kind"))
        if why or review is None or kind != "AdmissionReview":
            why = why or "it has no request, or is of another kind"
            return _reply(replies.refused(envelope, "unreadable", f"the AdmissionReview can't be judged: {why}"))
        if review.api_version not in models.VERSIONS:
            found = f"{clean(review.api_version, 60) or 'no apiVersion'} is none of {', '.join(models.VERSIONS)}"
            return _reply(replies.refused(envelope, "unknown_version", found))
        question = translate_review(review, self._settings, self._known)
        if isinstance(question, Refused):
            log.info("admission.refused", code=question.code, namespace=review.namespace)
            return _reply(replies.refused(envelope, question.code, question.message))
        if isinstance(question, Passed):
            return _reply(replies.allowed(envelope, {"outcome": "ungoverned", "reason": question.why}))
        return await self._decide(raw, review, question, envelope, deadline, registration)

    def _known(self, workload: str) -> Mapping[str, Any] | None:
        return self._services.deployments.known(workload) if self._services.deployments else None

    async def _decide(
        self, raw: bytes, review: Review, question: Governed, envelope: Envelope, deadline: float, registration: str
    ) -> Response:
        loop = asyncio.get_running_loop()
        actor = self._services.people.resolve(SYSTEM, review.username)
        caller = Caller(
            actor=actor,
            roles=frozenset(),
            points=frozenset({Point.KUBERNETES_ADMISSION}),
            environments=frozenset({question.request.environment}),
            credential="kubernetes-admission",
        )
        asking = Asking(
            caller=caller,
            budget=max(deadline - loop.time(), 0.01),
            source=SYSTEM,
            tier=EvidenceTier.OBSERVED,
            dry_run=review.dry_run,
            body_digest=digest_bytes(raw),
        )
        task = asyncio.ensure_future(self._services.decider.decide(question.request, asking))
        done, _ = await asyncio.wait({task}, timeout=max(deadline - loop.time(), 0.01) + _ANSWER_ALL_THE_SAME)
        if not done:
            self._late.add(task)
            task.add_done_callback(self._finish_late)
            return self._failed(envelope, registration, Reason.DEADLINE_EXCEEDED, "the time for an answer ran out")
        decision = task.result()
        if decision.outcome is Outcome.ERROR and (deferred := self._deferred(registration, str(decision.reason))):
            return deferred
        if decision.allowed and question.remember and not review.dry_run and self._services.deployments:
            workload, facts = question.remember
            try:
                async with asyncio.timeout_at(deadline + _ANSWER_ALL_THE_SAME):
                    await self._services.deployments.remember(workload, facts, decision)
            except (EngineError, TimeoutError) as error:
                log.warning("admission.not_remembered", decision=decision.id, error=str(error))
                found = f"the deployment could not be recorded; try again (decision {decision.id})"
                return self._failed(envelope, registration, Reason.LEDGER_UNAVAILABLE, found)
        return _reply(replies.decided(envelope, decision, question.places))

    def _finish_late(self, task: asyncio.Task[Decision]) -> None:
        self._late.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("admission.late_decision_failed", error=repr(error))

    def _failed(self, envelope: Envelope, registration: str, reason: Reason, message: str) -> Response:
        """Answer that Proctor could not decide: deferred where configured, else a denial."""
        refusal = replies.refused(envelope, str(reason), message, Outcome.ERROR)
        return self._deferred(registration, str(reason)) or _reply(refusal)

    def _deferred(self, registration: str, reason: str) -> Response | None:
        """Return the answer that lets the cluster's failurePolicy decide, if this registration defers; else None."""
        entry: Registration | None = self._settings.registrations.get(registration)
        if entry is None or entry.on_engine_error != "defer":
            return None
        if not entry.defers(datetime.now(UTC)):
            log.warning("admission.deferral_expired", registration=registration, until=str(entry.until))
            return None
        log.warning(
            "alert.admission_deferred",
            registration=registration,
            reason=reason,
            signed_by=entry.signed_by,
            until=str(entry.until),
        )
        # No Retry-After: the API server would call again inside its timeout. Plain text: a Status would be shown.
        return PlainTextResponse(f"Proctor can't decide: {reason}\n", status_code=500)


def _reply(body: bytes) -> Response:
    return Response(body, media_type="application/json")
