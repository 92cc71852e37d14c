"""Prometheus metrics, in a registry of their own. Labels come from closed sets only, never from what callers send."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from proctor import __version__
from proctor.vocabulary.decision import Decision

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. A decision takes milliseconds; an admission must be done in 2 to 3 seconds."""
_NONE: Final = "none"
_OPA_FAILURES: Final = "engine_"


class Metrics:
    """All metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.decisions = Counter(
            "proctor_decisions", "Decisions made.", ["outcome", "reason", "point", "dry_run"], registry=registry
        )
        self.seconds = Histogram(
            "proctor_decision_seconds", "From request to reply.", ["point"], buckets=_BUCKETS, registry=registry
        )
        self.opa_failures = Counter(
            "proctor_opa_failures", "Decisions that OPA could not give.", ["reason"], registry=registry
        )
        self.unrecorded = Counter(
            "proctor_unrecorded_decisions", "Denials that the ledger did not take.", registry=registry
        )
        self.authentication_failures = Counter(
            "proctor_authentication_failures",
            "Calls without a credential that is in force.",
            ["code"],
            registry=registry,
        )
        self.rate_limited = Counter(
            "proctor_rate_limited", "Calls over the limit of routes without a credential.", ["route"], registry=registry
        )
        self.deliveries = Counter(
            "proctor_deliveries", "Attempts to deliver an event.", ["sink", "result"], registry=registry
        )
        self.waiting = Gauge("proctor_decisions_waiting", "Decisions under way.", registry=registry)
        self.ledger_size = Gauge("proctor_ledger_entries", "Entries in the ledger.", registry=registry)
        self.ledger_healthy = Gauge("proctor_ledger_healthy", "1 while the ledger takes entries.", registry=registry)
        self.outbox = Gauge("proctor_outbox_messages", "Messages in the outbox.", ["state"], registry=registry)
        self.ready = Gauge("proctor_ready", "1 while the server is ready.", registry=registry)
        self.build = Gauge(
            "proctor_build_info", "Versions and policy in force.", ["version", "revision"], registry=registry
        )

    def observe(self, decision: Decision, seconds: float) -> None:
        """Count one decision. Given to `decide.Decisions`."""
        point = str(decision.point or _NONE)
        self.decisions.labels(
            outcome=str(decision.outcome), reason=str(decision.reason), point=point,
            dry_run=str(decision.dry_run).lower(),
        ).inc()  # fmt: skip
        self.seconds.labels(point=point).observe(seconds)
        if decision.reason.startswith(_OPA_FAILURES):
            self.opa_failures.labels(reason=str(decision.reason)).inc()
        if not decision.recorded and not decision.dry_run:
            self.unrecorded.inc()

    def delivered(self, sink: str, result: str) -> None:
        """Count one attempt at delivery. Given to `alerts.Delivery`."""
        self.deliveries.labels(sink=sink, result=result).inc()

    def policy(self, revision: str) -> None:
        """Note which policy is in force."""
        self.build.clear()
        self.build.labels(version=__version__, revision=revision).set(1)

    def outbox_depth(self, depth: Mapping[str, int]) -> None:
        """Note how many messages are in which state (`waiting`, `dead`)."""
        for state, count in depth.items():
            self.outbox.labels(state=state).set(count)

    def render(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
