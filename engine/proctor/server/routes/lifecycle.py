"""`/v1/datasets` and `/v1/violations`: what catalogs have told, and what exists against policy."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from proctor.errors import NotFoundError
from proctor.inventory.merging import KnownFact
from proctor.server.routes.exchange import answer, components, flag, number
from proctor.store.moments import to_text
from proctor.vocabulary.datasets import Dataset

MAX_LISTED: Final = 1000


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(tags=["lifecycle"])
    found.add_api_route("/v1/datasets", datasets, methods=["GET"], name="datasets.list")
    found.add_api_route("/v1/violations", violations, methods=["GET"], name="violations.list")
    found.add_api_route("/v1/violations/{violation_id}", violation, methods=["GET"], name="violations.read")
    return found


async def datasets(request: Request) -> Response:
    """Return the datasets that catalogs have told of, with their facts; `urn` names one of them.

    A URN is a parameter and never a part of the path: it holds slashes in its encoded form.
    """
    wanted = request.query_params.get("urn")
    found = components(request).datasets.list(wanted)
    if wanted is not None and not found:
        raise NotFoundError(
            f"looking for the dataset {wanted[:200]!r}", "no catalog has told of it", "See 'proctor dataset list'"
        )
    return answer({"datasets": [_described(*one) for one in found[:MAX_LISTED]], "total": len(found)})


def _described(urn: str, dataset: Dataset, facts: Mapping[str, KnownFact]) -> dict[str, Any]:
    return {
        "urn": urn,
        "namespace": dataset.namespace,
        "name": dataset.name,
        "facts": {
            group: {
                "values": dict(fact.values) if fact.values is not None else None,
                "observed_at": to_text(fact.observed_at),
                "source": fact.source,
                "tier": str(fact.tier),
            }
            for group, fact in sorted(facts.items())
        },
    }


async def violations(request: Request) -> Response:
    """Return the newest violations (`limit`, 1 to 1000; default 50); `open=true` leaves out the resolved ones."""
    limit = number(request, "limit", 50, 1, MAX_LISTED)
    register = components(request).violations
    found = await (register.open_ones(limit) if flag(request, "open") else register.recent(limit))
    return answer({"violations": [one.document() for one in found]})


async def violation(request: Request, violation_id: str) -> Response:
    """Return one violation."""
    return answer((await components(request).violations.get(violation_id)).document())
