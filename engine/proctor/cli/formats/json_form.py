"""Decisions as JSON: the decision itself where there is one, a list where there are several."""

from collections.abc import Sequence

from proctor.cli.outputs import Judged, as_json


def render(judged: Sequence[Judged], *, colour: bool = False) -> str:  # noqa: ARG001 (every form takes it)
    """Return the decisions as the API gave them."""
    documents = [entry.decision for entry in judged]
    return as_json(documents[0] if len(documents) == 1 else documents)
