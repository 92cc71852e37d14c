"""The HTTP side: an API server's calls in, answers that it never takes for a failed call out.

Whatever comes in, the answer is HTTP 200 with the uid that came in, and `allowed: false` unless Proctor decided
otherwise: an API server reads any other status as a failed call, which `failurePolicy: Ignore` admits. Two answers
are different on purpose: 400 where no uid can be found, and 500 where a registration defers engine errors.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from proctor.bodies import read_body
from proctor.errors import RefusedError
from proctor.plugins import Asking, Services
from proctor.vocabulary.canonical import MAX_BYTES
from proctor.vocabulary.principal import Caller
from proctor.vocabulary.words import EvidenceTier
from proctor_adapters.kubernetes import models
from proctor_adapters.kubernetes.configuration import KubernetesSettings
from proctor_adapters.kubernetes.gate import Gate
from proctor_adapters.kubernetes.translate import Governed, Passed, translate_manifest

UNAUTHENTICATED: Final = ("/admit", "/admit/", "/admit/{registration}", "/admit/{registration}/")
MARGIN: Final = 0.3
"""Seconds that an answer needs on its way back: the API server gives up at exactly its timeout."""
MAX_MANIFESTS: Final = 500
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|us|ns|s|m|h)", re.ASCII)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def router(services: Services, settings: KubernetesSettings) -> APIRouter:
    """Return the routes below `/v1/adapters/kubernetes`."""
    routes = APIRouter()
    gate = Gate(services, settings)

    async def admit(request: Request) -> Response:
        """Answer one AdmissionReview."""
        started = asyncio.get_running_loop().time()
        budget = time_budget(request.query_params.get("timeout"), settings.budget)
        registration = request.path_params.get("registration") or request.query_params.get("registration") or ""
        try:
            raw, complete = await read_body(request.stream(), MAX_BYTES, started + budget)
        except ClientDisconnect:
            return PlainTextResponse("the body was cut off", status_code=400)
        over_limit = getattr(request.state, "over_limit", False)
        return await gate.answer(raw, complete, started + budget, registration, over_limit=over_limit)

    for path in UNAUTHENTICATED:
        # Both spellings are routes of their own: a redirect would cost a round trip and 301 would drop the body.
        routes.add_api_route(path, admit, methods=["POST"], response_class=Response, include_in_schema=path[-1] != "/")

    async def check(request: Request) -> Response:
        """Judge manifests ahead of time: `{"manifests": [...], "environment": "prod"?, "namespace": "ml"?}`."""
        caller = getattr(request.state, "caller", None)
        if not isinstance(caller, Caller):
            raise RefusedError("unauthenticated", 401, "checking manifests", "no credential", "Send an API key")
        raw, complete = await read_body(
            request.stream(), MAX_BYTES, asyncio.get_running_loop().time() + settings.budget
        )
        if not complete:
            found = f"more than {MAX_BYTES} bytes"
            raise RefusedError("too_large", 413, "reading the manifests", found, "Send fewer at a time")
        return JSONResponse(await _check(services, settings, _check_body(raw), caller))

    routes.add_api_route("/check", check, methods=["POST"], response_class=JSONResponse)
    return routes


def time_budget(timeout: str | None, default: float) -> float:
    """Return the seconds for an answer: the API server's `?timeout=` (a Go duration such as `10s`) minus a margin."""
    if not timeout or _DURATION.sub("", timeout):
        return default
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(timeout))
    if seconds <= 0:
        return default
    return min(max(seconds - MARGIN, seconds / 2), 30.0)


def _check_body(raw: bytes) -> Mapping[str, Any]:
    tried = "reading the manifests"
    try:
        document = models.decode(raw)
    except models.UnreadableError as error:
        raise RefusedError("invalid_request", 422, tried, str(error), "Send one JSON document") from error
    manifests = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(manifests, list) or len(manifests) > MAX_MANIFESTS:
        remedy = f'Send {{"manifests": [...]}} with at most {MAX_MANIFESTS} objects'
        raise RefusedError("invalid_request", 422, tried, "no list `manifests`", remedy)
    for name in ("environment", "namespace"):
        if not isinstance(document.get(name), str | None):
            raise RefusedError("invalid_request", 422, tried, f"`{name}` is not text", "Leave it out or send text")
    return {"environment": None, "namespace": None, **document}


async def _check(
    services: Services, settings: KubernetesSettings, body: Mapping[str, Any], caller: Caller
) -> dict[str, Any]:
    decisions, skipped = [], []
    for index, manifest in enumerate(_listed(body["manifests"])):
        question = translate_manifest(manifest, settings, environment=body["environment"], namespace=body["namespace"])
        if isinstance(question, Governed):
            # What the adapter read out of the very document that is judged is observed, whoever sent the document.
            asking = Asking(caller=caller, budget=settings.budget, source="kubernetes", tier=EvidenceTier.OBSERVED)
            decisions.append((await services.decider.decide(question.request, asking)).record())
        elif isinstance(question, Passed):
            skipped.append({"index": index, "why": question.why})
        else:
            raise RefusedError(
                "invalid_request", 422, f"reading manifest {index}", question.message, "Mend the manifest"
            )
    return {"decisions": decisions, "skipped": skipped}


def _listed(manifests: list[Any]) -> list[Any]:
    """Return the manifests with the items of each `kind: List` in its place."""
    found: list[Any] = []
    for manifest in manifests:
        items = manifest.get("items") if isinstance(manifest, dict) and manifest.get("kind") == "List" else None
        found += items if isinstance(items, list) else [manifest]
    return found
