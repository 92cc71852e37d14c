"""Writes the input: the one document that OPA judges, complete, with everything that varies inside."""

from collections.abc import Mapping, Sequence
from typing import Any

from proctor.evidence.identify import Identified
from proctor.evidence.project import cases, project
from proctor.opa.index import Index, Selection
from proctor.vocabulary.principal import Actor
from proctor.vocabulary.request import DecisionRequest

INPUT_SCHEMA = "proctor/input/v1"


def input_document(  # noqa: PLR0913 (each argument is one part of the document)
    request: DecisionRequest,
    actor: Actor,
    identified: Identified,
    facts: Mapping[str, Any],
    selection: Selection,
    index: Index,
    *,
    waivers: Sequence[Mapping[str, Any]],
    moment: str,
    request_id: str,
    effective_at: str | None = None,
) -> dict[str, Any]:
    """Return the input for one question at `moment` (RFC 3339, UTC).

    `moment` ages evidence; `effective_at`, normally the same, dates rules, so that an audit can look ahead without
    making every fact stale. Facts are projected to what the selected rules declare.
    """
    document: dict[str, Any] = {
        "schema": INPUT_SCHEMA,
        "point": str(request.point),
        "stage": str(request.stage),
        "operation": str(request.operation),
        "environment": request.environment,
        "actor": {
            "id": actor.id,
            "kind": str(actor.kind),
            "groups": sorted(actor.groups),
            "authenticated_by": actor.authenticated_by,
        },
        "subject": {
            "kind": str(request.subject.kind),
            "id": f"{request.subject.kind}:{request.subject.name}",
            "name": request.subject.name,
            "digest": identified.digest,
            "parts": identified.parts,
        },
        "facts": project(facts, selection),
        "waivers": [dict(waiver) for waiver in waivers],
        "approvals": [],
        "context": {"now": moment, "effective_at": effective_at or moment, "request_id": request_id},
    }
    if request.purpose is not None:
        document["purpose"] = request.purpose
    document["context"]["cases"] = cases(document, selection, index)
    return document
