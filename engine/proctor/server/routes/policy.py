"""`/v1/policy`: which policy is in force, and the signed bundle itself for an OPA sidecar."""

import asyncio
import re
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from proctor.server.routes.exchange import answer, components

_BUNDLE_TYPE: Final = "application/vnd.openpolicyagent.bundles"
"""By this type OPA recognises that the server can do long polling."""
_WAIT: Final = re.compile(r"(?:^|[;,\s])wait=(\d{1,4})(?:$|[;,\s])")
_MAX_WAIT: Final = 60.0
_READ: Final = ("title", "severity", "waivable", "approvable", "controls", "clauses", "owner", "effective_on", "digest")


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(prefix="/v1/policy", tags=["policy"])
    found.add_api_route("", read, methods=["GET"], name="policy.read")
    found.add_api_route("/bundle", bundle, methods=["GET"], name="policy.bundle")
    return found


async def read(request: Request) -> Response:
    """Return revision, digest, profile, environments and rules of the policy in force."""
    in_force = components(request).policy.bundle
    document = in_force.index.document
    rules = [
        {"code": code, **{name: rule[name] for name in _READ if name in rule}}
        for code, rule in sorted(in_force.index.rules.items())
    ]
    return answer(
        {
            "revision": in_force.revision,
            "digest": in_force.digest,
            "profile": document["profile"],
            "environments": list(in_force.index.environments),
            "warned": dict(document["warned"]),
            "rules": rules,
        }
    )


async def bundle(request: Request) -> Response:
    """Return the signed bundle; 304 while it is the one that OPA has, after `Prefer: wait=` seconds at most.

    The ETag is the policy's digest: OPA reports it back as `data.system.bundles.<name>.etag`, so it is known which
    policy a sidecar has. https://www.openpolicyagent.org/docs/management-bundles
    """
    policy = components(request).policy
    known = request.headers.get("if-none-match", "").strip().removeprefix("W/").strip('"')
    if known == policy.bundle.digest and not policy.ending:
        asked = _WAIT.search(request.headers.get("prefer", ""))
        if asked is not None:
            await policy.changed(min(float(asked[1]), _MAX_WAIT))
    in_force = policy.bundle
    headers = {"ETag": f'"{in_force.digest}"', "Content-Type": _BUNDLE_TYPE}
    if known == in_force.digest:
        return Response(status_code=304, headers=headers)
    return Response(await asyncio.to_thread(in_force.path.read_bytes), headers=headers)
