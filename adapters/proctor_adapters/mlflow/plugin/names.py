"""Names that the plugin keeps for itself, how MLflow's own names are compared, and the name of whoever asks."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import g, has_request_context
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.utils import workspace_context
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from proctor_adapters.mlflow.plugin.client import denied

PREFIX: Final = "governance."
"""Tags with it are written by the server alone: they would be forged otherwise."""
USER: Final = "governance.user"
"""Whom MLflow had authenticated when the run was created."""
DECISION: Final = "governance.decision"
"""The decision by which the run, the version or its latest promotion was let through. For people: nothing reads it."""
FILES: Final = "governance.files"
"""What a version's files looked like when they were hashed, and where they are: a promotion compares the two."""
IS_PROMPT: Final = "mlflow.prompt.is_prompt"
"""It hides a model from the registry's own events."""
VERDICT: Final = "validation.verdict"
"""Tag of a run by which somebody says whether the model that it measured is fit (`fit`, or anything else)."""


def user() -> str | None:
    """Return whom MLflow has authenticated for this request; None outside of one, or without authentication."""
    return getattr(g, "mlflow_authenticated_user", None) if has_request_context() else None


def reserved(key: str) -> bool:
    """Tell whether a tag is the server's own. MySQL compares without case, so case does not matter."""
    return key.casefold().strip().startswith(PREFIX)


def refuse_reserved(keys: Iterable[str], *, but: str | None = None) -> None:
    """Raise a denial for a tag that is the server's own."""
    for key in keys:
        if reserved(key) and key != but:
            raise denied(f"denied: tags that begin with {PREFIX} are written by Proctor alone, not {key!r:.100}")


def keys_of(tags: Iterable[Any] | None) -> list[str]:
    """Return the keys of tags as MLflow has them."""
    return [str(tag.key) for tag in tags or ()]


def alias_target(alias: str) -> str:
    """Return what is moved when an alias is set: MLflow takes `Champion` and `champion` for two."""
    return f"alias:{alias.casefold()}"


def stage_target(stage: str) -> str:
    """Return what is moved when a stage is set; MLflow compares stages without case."""
    return f"stage:{stage.casefold()}"


def qualified(name: str) -> str:
    """Return the name of a model as Proctor knows it: two workspaces may each have a model of one name.

    A workspace's name has no dot, so the first one ends it; the default workspace is named like all others, because
    one of its models could be called like another workspace's otherwise.
    """
    if not MLFLOW_ENABLE_WORKSPACES.get():
        return name
    return f"{workspace_context.get_request_workspace() or DEFAULT_WORKSPACE_NAME}.{name}"


@contextmanager
def in_workspace(workspace: str | None) -> Iterator[None]:
    """Be in a workspace, outside of one of MLflow's own requests; without workspaces this does nothing."""
    if not MLFLOW_ENABLE_WORKSPACES.get():
        yield
        return
    # The server's setter binds the name to this context alone; the client's would change the whole process.
    workspace_context.set_server_request_workspace(workspace or DEFAULT_WORKSPACE_NAME)
    try:
        yield
    finally:
        workspace_context.clear_server_request_workspace()


def version_text(version: Any) -> str:
    """Return a version as it is compared: `01` is version 1."""
    text = str(version).strip()
    return str(int(text)) if text.isascii() and text.isdigit() else text
