"""The registry store that asks first. Every path into MLflow's registry ends here: REST, UI, client library, webhooks.

    mlflow server --registry-store-uri proctor+sqlite:///mlflow.db --backend-store-uri sqlite:///mlflow.db ...

Signatures are MLflow's own; a test compares each with its parent's for every supported version of MLflow.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mlflow.entities.model_registry import ModelVersionTag
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from proctor_adapters.mlflow.plugin import afterwards, client, evidence, hashing, names

SCHEME = "proctor+"
_RETIRED = frozenset({"none", "archived"})
"""Stages out of use. Taking a version out of use asks nobody, as deleting an alias does: it must work at any time."""
_AT_ONCE = 100
"""Versions in one question."""


class Gated:
    """The methods that write. Mixed in before MLflow's own store."""

    def _require(self, action: str, **question: Any) -> Mapping[str, Any]:
        return client.require(client.shared(), {"action": action, "user": names.user(), **question})

    def _promote(self, found: Any, target: str) -> str | None:
        """Return the id of the decision that allows it; None where nobody decides on it. Raises `MlflowException`."""
        if evidence.is_prompt(found.source):
            return None
        seen = hashing.look(found)
        stated = evidence.of_version(found) | {"files": str(seen)}
        try:
            answer = self._require("promote", target=target, version=stated)
        except MlflowException:
            if seen is hashing.Look.CHANGED:
                hashing.shared().enqueue(found)
            raise
        if answer.get("governed"):
            # Files may have changed since this look at them: what has just been let in is looked at again.
            hashing.shared().enqueue(found)
        decision: str | None = answer.get("decision")
        return decision

    def mark(self, name: str, version: Any, tag: ModelVersionTag) -> None:
        """Put one of the server's own tags onto a version."""
        super().set_model_version_tag(name, names.version_text(version), tag)  # type: ignore[misc]

    def _show(self, name: str, version: Any, decision: str | None) -> None:
        """Put the decision onto the version, for people. The promotion stands without it, and does not wait for it."""
        if decision is not None:
            tag = ModelVersionTag(names.DECISION, decision)
            what = f"showing {decision} on {name} {version}"
            afterwards.shared().do(what, lambda: self.mark(name, version, tag))

    def _retired(self, name: str, versions: Iterable[Any], target: str) -> None:
        """Tell Proctor that versions left an alias or stage. Nobody is asked: taking out of use works at any time."""
        left = [[names.qualified(name), names.version_text(version)] for version in versions]
        at, user = datetime.now(UTC).isoformat(), names.user()
        for start in range(0, len(left), _AT_ONCE):
            told = {"versions": left[start : start + _AT_ONCE], "target": target, "at": at, "user": user}
            what = f"telling that {target} of {name} was taken away"
            afterwards.shared().do(what, lambda told=told: client.shared().retired(told))  # type: ignore[misc]

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
        self._refuse_changing_kind(name, tag.key)
        return super().set_registered_model_tag(name, tag)  # type: ignore[misc]

    def delete_registered_model_tag(self, name, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([key])
        self._refuse_changing_kind(name, key)
        return super().delete_registered_model_tag(name, key)  # type: ignore[misc]

    def _refuse_changing_kind(self, name: str, key: str) -> None:
        """Refuse to make a prompt of a model or the other way: MLflow would no longer show it as what it is."""
        if key.casefold() == names.IS_PROMPT and next(self._versions(name), None) is not None:
            raise client.denied(f"denied: {name} has versions; {key} says what they are, and stays as it is")

    # --- Versions ----------------------------------------------------------------------------------------------------

    def create_model_version(  # type: ignore[no-untyped-def]  # noqa: ANN201, D102, PLR0913, PLR0917
        self, name, source, run_id=None, tags=None, run_link=None, description=None, local_model_path=None,  # noqa: ANN001
        model_id: str | None = None,
    ):  # fmt: skip
        tags = self._without_copied(source, tags)
        names.refuse_reserved(names.keys_of(tags))
        if evidence.is_prompt(source):
            return super().create_model_version(  # type: ignore[misc]
                name, source, run_id, tags, run_link, description, local_model_path, model_id
            )
        if names.IS_PROMPT in {key.casefold() for key in names.keys_of(tags)}:
            raise client.denied(f"denied: this is a version of a model; leave the tag {names.IS_PROMPT} out")
        if evidence.is_prompt_model(super().get_registered_model(name)):  # type: ignore[misc]
            raise client.denied(f"denied: {name} is a prompt, and {source!r:.200} is none")
        planned = evidence.of_source(name, source, run_id)
        decision = self._require("register", version=planned).get("decision")
        if decision is not None:
            tags = [*(tags or []), ModelVersionTag(names.DECISION, str(decision))]
        made = super().create_model_version(  # type: ignore[misc]
            name, source, run_id, tags, run_link, description, local_model_path, model_id
        )
        hashing.shared().enqueue(made)
        return made

    def _without_copied(self, source: str, tags: Any) -> list[Any]:
        """Return the tags without those that a client copied from the original: a copy has a decision of its own."""
        name, version = evidence.copied(source) or (None, None)
        original = super().get_model_version(name, version).tags if name is not None else {}  # type: ignore[misc]
        return [tag for tag in tags or () if not (names.reserved(tag.key) and original.get(tag.key) == tag.value)]

    def transition_model_version_stage(self, name, version, stage, archive_existing_versions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        found = super().get_model_version(name, names.version_text(version))  # type: ignore[misc]
        decision, target = None, names.stage_target(stage)
        if stage.casefold() not in _RETIRED:
            decision = self._promote(found, target)
        archived = []
        if archive_existing_versions:
            others = [one for one in self._versions(name) if names.stage_target(one.current_stage) == target]
            archived = [one.version for one in others if str(one.version) != str(found.version)]
        moved = super().transition_model_version_stage(name, version, stage, archive_existing_versions)  # type: ignore[misc]
        self._show(name, version, decision)
        if found.current_stage.casefold() not in _RETIRED and names.stage_target(found.current_stage) != target:
            self._retired(name, [found.version], names.stage_target(found.current_stage))
        self._retired(name, archived, target)
        return moved

    def delete_model_version(self, name, version):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        self._refuse_removing(name, [names.version_text(version)])
        return super().delete_model_version(name, version)  # type: ignore[misc]

    def set_model_version_tag(self, name, version, tag):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([tag.key])
        self._refuse_changing_kind(name, tag.key)
        return super().set_model_version_tag(name, version, tag)  # type: ignore[misc]

    def delete_model_version_tag(self, name, version, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        names.refuse_reserved([key])
        self._refuse_changing_kind(name, key)
        return super().delete_model_version_tag(name, version, key)  # type: ignore[misc]

    # --- Aliases -----------------------------------------------------------------------------------------------------

    def set_registered_model_alias(self, name, alias, version):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        found = super().get_model_version(name, names.version_text(version))  # type: ignore[misc]
        decision = self._promote(found, names.alias_target(alias))
        super().set_registered_model_alias(name, alias, version)  # type: ignore[misc]
        self._show(name, version, decision)

    def delete_registered_model_alias(self, name, alias):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        try:
            left = [super().get_model_version_by_alias(name, alias)]  # type: ignore[misc]
        except MlflowException:
            left = []  # no such alias, or none that can be: MLflow itself says so below
        super().delete_registered_model_alias(name, alias)  # type: ignore[misc]
        versions = [one.version for one in left if not evidence.is_prompt(one.source)]
        self._retired(name, versions, names.alias_target(alias))

    # --- What is in use ----------------------------------------------------------------------------------------------

    def _versions(self, name: str) -> Iterator[Any]:
        quote = '"' if "'" in name else "'"
        return evidence.every_version(super(), f"name={quote}{name}{quote}")

    def _refuse_removing(self, name: str, versions: list[str]) -> None:
        named = [[names.qualified(name), version] for version in versions]
        for start in range(0, len(named), _AT_ONCE):
            self._require("remove", versions=named[start : start + _AT_ONCE])

    def _refuse_in_use(self, name: str, why: str) -> None:
        try:
            self._refuse_removing(name, [names.version_text(one.version) for one in self._versions(name)])
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
