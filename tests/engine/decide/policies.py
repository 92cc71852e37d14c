"""A small policy without files: annotations and an index for tests that need no OPA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proctor.opa import configuration, index
from proctor.opa.annotations import Custom, RuleAnnotation
from proctor.settings import PolicySettings

PROVIDED = Path(__file__).parents[3] / "rego" / "governance" / "config" / "provided.yaml"


def rule(code: str, **custom: Any) -> RuleAnnotation:
    """Return a rule on models with the given differences."""
    body: dict[str, Any] = {
        "severity": "critical",
        "applies_to": [{"stage": "deployment", "kind": "deployment", "operations": ["deploy"]}],
        "for_each": "models/*",
        "may_be_empty": False,
        "item_id": ["id"],
        "evidence": [{"at": "registration", "fields": {"registered": "boolean"}}],
        "controls": ["G-DEP-01"],
        "clauses": ["owasp-ml/ML06"],
        "message": "model {id} is not registered",
        "remediation": "register it with the inventory",
        "owner": "model-risk",
    }
    return RuleAnnotation(
        code=code,
        file=f"{code}.rego",
        title="A rule",
        description="A rule that exists for a test.",
        custom=Custom.model_validate(body | custom),
    )


def make_index(
    *rules: RuleAnnotation, actions: list[dict[str, str]] | None = None, warned: Mapping[str, str] | None = None
) -> index.Index:
    """Return the pinned index of these rules under the provided configuration with one catch-all action."""
    provided = configuration.load(PROVIDED, PolicySettings())
    settled = provided.model_copy(
        update={
            "actions": [configuration.ActionEntry.model_validate(entry) for entry in actions or [{"action": "deny"}]],
            "chains": [configuration.ChainEntry.model_validate({"steps": [{"name": "owner", "needs": 1}]})],
        }
    )
    document = index.build(
        rules,
        settled,
        source_digests={r.code: "sha256:" + "0" * 64 for r in rules},
        library_digest="sha256:" + "1" * 64,
        profile="strict",
        warned=warned or {},
    )
    return index.Index(document | {"revision": "rev1"})
