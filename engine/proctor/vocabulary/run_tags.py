"""Tags by which a notebook and the gate in MLflow's process understand each other."""

from typing import Final

PREFLIGHT: Final = "governance.preflight"
"""Of a run: the decision on its plan. The one reserved tag that a client sets: a claim, which Proctor looks up."""
INPUT_VERSION: Final = "proctor.version"
"""Of a logged input: the version of its dataset."""
