"""Questions about one rule: what a decision asks when nothing but that rule applies.

A decisive case is about one rule. Asked with everything else that applies, it costs as much as all of it, and a library
of sixty rules has thousands of cases. So the laid-out policy gets, beside each operation, one for each of its rules
(`promote:registration.files_hashed`): the same aggregator, places, evidence and tier, and this rule alone. What rules
do together is tested on whole decisions.
"""

from collections.abc import Mapping
from typing import Any

from proctor.evidence.project import project
from proctor.opa.index import Index


def add_operations(document: dict[str, Any]) -> None:
    """Add to the selection of an index, in place, an operation for each rule of each operation that is there."""
    for kinds in document["select"].values():
        for operations in kinds.values():
            for operation, leaf in list(operations.items()):
                for code in leaf["codes"]:
                    operations[alone(operation, code)] = _leaf(document, code)


def alone(operation: str, code: str) -> str:
    """Return the name of the operation to which this rule alone applies."""
    return f"{operation}:{code}"


def about(index: Index, sample: Mapping[str, Any], code: str) -> dict[str, Any]:
    """Return a sample as the question about one rule: with what this rule and the risk tier declare, and no more.

    Raises `LookupError` where the rule does not apply to the sample.
    """
    operation = alone(sample["operation"], code)
    selection = index.selection(sample["stage"], sample["subject"]["kind"], operation)
    if selection is None:
        raise LookupError(f"{code} does not apply to {sample['operation']} at {sample['stage']}")
    return {**sample, "operation": operation, "facts": project(sample["facts"], selection)}


def _leaf(document: Mapping[str, Any], code: str) -> dict[str, list[str]]:
    rule = document["rules"][code]
    needs = sorted({use["need"] for use in rule["needs"]})
    scopes = {rule["scope"], *(document["needs"][name]["scope"] for name in needs)}
    return {"codes": [code], "needs": needs, "scopes": sorted(scopes), "names": [rule["names"]]}
