"""Decisions as the API gives them, for the tests of this folder."""

from typing import Any

HOSTILE = "x\x1b[2J\u202eevil\n::error::gotcha|`<script>]]>&\"'%0A\x00\ud800@all https://evil.example ![a](b)"
"""What a terminal, a CI log, Markdown, HTML and XML would each obey in its own way."""
ID = "dec_01h0000000000000000000000a"


def finding(**changes: Any) -> dict[str, Any]:
    """Return a finding that denies."""
    return {
        "rule": "deployment.image_pinned",
        "title": "Image is pinned",
        "severity": "high",
        "at": ["images", 0],
        "item": ["docker.io/library/nginx:1"],
        "status": "fail",
        "effect": "deny",
        "message": "image docker.io/library/nginx:1 is named by a tag",
        "remediation": "Name it by its digest",
        "controls": ["G-DEP-06"],
        "clauses": ["owasp-ml/ML06"],
    } | changes


def decision(outcome: str = "deny", **changes: Any) -> dict[str, Any]:
    """Return a decision with one finding, unless `changes` say otherwise."""
    return {
        "id": ID,
        "outcome": outcome,
        "reason": {"allow": "compliant", "deny": "non_compliant"}.get(outcome, "engine_unavailable"),
        "message": "denied: image docker.io/library/nginx:1 is named by a tag",
        "stage": "deployment",
        "operation": "deploy",
        "point": "ci",
        "environment": "prod",
        "subject": {
            "kind": "deployment",
            "id": "deployment:ml/Deployment/web",
            "name": "ml/Deployment/web",
            "digest": f"sha256:{'a' * 64}",
            "parts": {},
        },
        "tier": {"value": "low", "unknown": []},
        "findings": [finding()] if outcome == "deny" else [],
        "problems": [],
        "rules": {
            "deployment.image_pinned": {"places": 1, "compliant": 0, "exempt": 0},
            "deployment.model_registered": {"places": 0, "compliant": 0, "exempt": 0},
        },
        "policy": {"revision": "0123456789abcdef"},
        "received_at": "2026-03-02T12:00:00.000000Z",
        "decided_at": "2026-03-02T12:00:00.100000Z",
    } | changes


def hostile() -> dict[str, Any]:
    """Return a decision whose every free text is hostile."""
    found = finding(rule=HOSTILE, title=HOSTILE, item=[HOSTILE], message=HOSTILE, remediation=HOSTILE, by=HOSTILE)
    problem = {"code": HOSTILE, "path": HOSTILE, "message": HOSTILE}
    return decision(
        id=HOSTILE,
        message=HOSTILE,
        reason=HOSTILE,
        environment=HOSTILE,
        subject={"name": HOSTILE},
        findings=[found, found | {"effect": "waived"}, found | {"effect": HOSTILE}],
        problems=[problem],
        warnings=[HOSTILE],
        rules={HOSTILE + "2": {}},
        policy={"revision": HOSTILE},
        decided_at=HOSTILE,
    )
