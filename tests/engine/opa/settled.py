"""The provided configuration for tests of the build, with another one laid over it."""

from pathlib import Path
from typing import Any, Final

from proctor.opa import configuration
from proctor.settings import PolicySettings

PROVIDED: Final = Path(__file__).parents[3] / "rego" / "governance" / "config" / "provided.yaml"
ACTIONS: Final[list[dict[str, str]]] = [
    {"action": "deny"},
    {"environment": "dev", "severity": "medium", "action": "warn"},
]


def settled(actions: list[dict[str, str]] | None = None, **changes: Any) -> configuration.Configuration:
    """Return the provided configuration without the entries that name provided rules, changed as asked."""
    document = configuration.load(PROVIDED, PolicySettings()).model_dump(mode="json")
    return configuration.Configuration.model_validate(document | {"actions": actions or ACTIONS} | changes)
