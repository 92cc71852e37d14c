"""The registry store that asks first. Every path into MLflow's registry ends here: REST, UI, client library, webhooks.

    mlflow server --registry-store-uri proctor+sqlite:///mlflow.db --backend-store-uri sqlite:///mlflow.db ...

Signatures are MLflow's own; a test compares each with its parent's for every supported version of MLflow.
"""

from typing import Any

from flask import g, has_request_context
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from proctor_adapters.mlflow.plugin import client, evidence, hashing, names

SCHEME = "proctor+"


def user() -> str | None:
    """Return whom MLflow has authenticated for this request; None outside of one, or without authentication."""
    return getattr(g, "mlflow_authenticated_user", None) if has_request_context() else None


class Gated:
    """The methods that write. Mixed in before MLflow's own store."""

    def _require(self, action: str, **question: Any) -> None:
        client.require(client.shared(), {"action": action, "user": user(), **question})

    def _promote(self, name: str, version: Any, target: str) -> None:
        text = names.version_text(version)
        found = super().get_model_version(name, text)  # type: ignore[misc]
        self._require("promote", target=target, version=evidence.of_version(found))

    # --- Models ------------------------------------------------------------------------------------------------------

    def create_registered_model(self, name, tags=None, description=None, deployment_job_id=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved(names.keys_of(tags))
        return super().create_registered_model(name, tags, description, deployment_job_id)  # type: ignore[misc]

    def rename_registered_model(self, name, new_name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        self._refuse_in_use(name, "renamed: what was allowed is known by its name")
        return super().rename_registered_model(name, new_name)  # type: ignore[misc]

    def delete_registered_model(self, name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        self._refuse_in_use(name, "deleted: another model of that name would begin at version 1 again")
        return super().delete_registered_model(name)  # type: ignore[misc]

    def set_registered_model_tag(self, name, tag):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([tag.key])
        if tag.key == names.IS_PROMPT and super().get_latest_versions(name):  # type: ignore[misc]
            raise client.denied(f"denied: {name} is a model with versions, and can't be made a prompt")
        return super().set_registered_model_tag(name, tag)  # type: ignore[misc]

    def delete_registered_model_tag(self, name, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([key])
        return super().delete_registered_model_tag(name, key)  # type: ignore[misc]

    # --- Versions ----------------------------------------------------------------------------------------------------

    def create_model_version(  # type: ignore[no-untyped-def]  # noqa: ANN201, D102, PLR0913, PLR0917
        self, name, source, run_id=None, tags=None, run_link=None, description=None, local_model_path=None,  # noqa: ANN001
        model_id: str | None = None,
    ):  # fmt: skip
        names.refuse_reserved(names.keys_of(tags))
        if evidence.is_prompt(tags):
            return super().create_model_version(  # type: ignore[misc]
                name, source, run_id, tags, run_link, description, local_model_path, model_id
            )
        planned = evidence.of_source(name, source, run_id, model_id)
        self._require("register", version=planned)
        made = super().create_model_version(  # type: ignore[misc]
            name, source, run_id, tags, run_link, description, local_model_path, model_id
        )
        hashing.shared().enqueue(made)
        return made

    def transition_model_version_stage(self, name, version, stage, archive_existing_versions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        self._promote(name, version, names.stage_target(stage))
        return super().transition_model_version_stage(name, version, stage, archive_existing_versions)  # type: ignore[misc]

    def delete_model_version(self, name, version):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        self._refuse_sealed(name, [names.version_text(version)])
        return super().delete_model_version(name, version)  # type: ignore[misc]

    def set_model_version_tag(self, name, version, tag):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([tag.key])
        return super().set_model_version_tag(name, version, tag)  # type: ignore[misc]

    def delete_model_version_tag(self, name, version, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([key])
        return super().delete_model_version_tag(name, version, key)  # type: ignore[misc]

    # --- Aliases -----------------------------------------------------------------------------------------------------

    def set_registered_model_alias(self, name, alias, version):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        if not evidence.is_prompt_model(super().get_registered_model(name)):  # type: ignore[misc]
            self._promote(name, version, names.alias_target(alias))
        return super().set_registered_model_alias(name, alias, version)  # type: ignore[misc]

    # --- What is in use ----------------------------------------------------------------------------------------------

    def _refuse_sealed(self, name: str, versions: list[str]) -> None:
        if versions:
            self._require("write_artifact", versions=[[name, version] for version in versions[:100]])

    def _refuse_in_use(self, name: str, why: str) -> None:
        found = super().search_model_versions(f"name='{name}'", max_results=100)  # type: ignore[misc]
        try:
            self._refuse_sealed(name, [names.version_text(one.version) for one in found])
        except MlflowException as error:
            raise client.denied(f"{name} can't be {why}. {error.message}") from error


class GatedStore(Gated, SqlAlchemyStore):
    """MLflow's SQL store, gated."""


class GatedWorkspaceStore(Gated, WorkspaceAwareSqlAlchemyStore):
    """The same for a server with workspaces."""


def build(store_uri: str, tracking_uri: str | None = None) -> SqlAlchemyStore:  # noqa: ARG001 (MLflow's signature)
    """Return the store for `proctor+sqlite:///...` and its sisters: the entry point `mlflow.model_registry_store`."""
    client.shared()  # A missing variable stops the server at its start, not at somebody's first write.
    cls = GatedWorkspaceStore if MLFLOW_ENABLE_WORKSPACES.get() else GatedStore
    return cls(store_uri.removeprefix(SCHEME))
