"""The gate stands in MLflow's own classes and routes: what MLflow changes there must be noticed here first."""

import inspect
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own deprecations are not ours to mend
    from mlflow.server import app, handlers
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
    from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

    from proctor_adapters.mlflow.plugin import artifacts, runs, store

WRITES = {
    "create_registered_model", "rename_registered_model", "delete_registered_model", "set_registered_model_tag",
    "delete_registered_model_tag", "create_model_version", "transition_model_version_stage", "delete_model_version",
    "set_model_version_tag", "delete_model_version_tag", "set_registered_model_alias", "delete_registered_model_alias",
}  # fmt: skip
UNGUARDED = {
    "update_registered_model": "a description proves nothing",
    "update_model_version": "the same",
    "create_webhook": "for admins alone, and nothing here believes a webhook",
    "update_webhook": "the same",
    "delete_webhook": "the same",
}
"""What writes and is not asked about, with the reason."""
OVERRIDDEN = {name for name, value in vars(store.Gated).items() if inspect.isfunction(value) and name[0] != "_"} - {
    "mark"  # the plugin's own way to write
}


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("parent", [SqlAlchemyStore, WorkspaceAwareSqlAlchemyStore])
@pytest.mark.parametrize("name", sorted(OVERRIDDEN))
def test_each_override_takes_what_its_parent_takes(parent: type, name: str) -> None:
    assert parameters(getattr(store.Gated, name)) == parameters(getattr(parent, name))


def test_every_method_that_writes_is_guarded_or_has_a_reason() -> None:
    assert OVERRIDDEN == WRITES
    writes = ("create_", "update_", "delete_", "rename_", "set_", "transition_", "log_", "copy_", "link_")
    # What MLflow's base class makes of these methods itself, its prompts, ends in them.
    known = {name for name, value in vars(SqlAlchemyStore).items() if inspect.isfunction(value)}
    found = {name for name in known if name.startswith(writes)}
    assert found - WRITES - set(UNGUARDED) == set()


def test_the_workspace_store_adds_no_way_to_write() -> None:
    added = {name for name in vars(WorkspaceAwareSqlAlchemyStore) if name[0] != "_"} - {"supports_workspaces"}
    assert (
        not {name for name in added if name.startswith(("create_", "update_", "delete_", "rename_", "set_"))} - WRITES
    )


def test_every_guarded_route_is_one_that_mlflow_has() -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert set(runs.GUARDS) | set(artifacts.GUARDS) <= endpoints


def test_no_other_route_writes_into_runs_or_artifacts() -> None:
    """A new handler of MLflow's fails this test, until somebody has thought about it."""
    guarded = set(runs.GUARDS) | set(artifacts.GUARDS)
    harmless = {
        "_abort_multipart_upload_artifact",  # nothing is written
        "_update_run",  # names and ends
        "_delete_logged_model", "_finalize_logged_model", "_log_logged_model_params",  # no evidence is read from them
    }  # fmt: skip
    words = ("run", "metric", "param", "batch", "artifact", "logged_model", "log_inputs", "log_outputs", "_set_tag")
    found = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
        and any(word in rule.endpoint for word in words)
        and not any(read in rule.endpoint for read in ("search", "get_", "list", "bulk", "trace", "download"))
    }
    found -= {
        one for one in found if any(word in one for word in ("gateway", "prompt_optimization", "scorer", "issue"))
    }
    assert found - guarded - harmless == set()


def test_the_server_writes_runs_in_no_more_places_than_are_known() -> None:
    source = inspect.getsource(handlers)
    # create_run, an evaluation job, a prompt optimisation job: the last two only with MLflow's job runner.
    assert source.count(".create_run(") == 3


def test_graphql_has_no_more_mutations_than_are_known() -> None:
    from mlflow.server.graphql.graphql_schema_extensions import schema  # noqa: PLC0415 (it warns on import)

    known = {"mlflowSearchDatasets", "mlflowSearchRuns", "testMutation"}  # two searches, and one that does nothing
    assert set(schema.graphql_schema.mutation_type.fields) == known


def test_the_entry_points_are_those_of_the_documentation() -> None:
    stores = {one.name for one in entry_points(group="mlflow.model_registry_store") if one.value.startswith("proctor")}
    assert stores == {"proctor+sqlite", "proctor+postgresql", "proctor+mysql", "proctor+mssql"}
    assert {one.name for one in entry_points(group="mlflow.app")} >= {"proctor"}


def test_mlflows_process_loads_nothing_of_proctors_engine() -> None:
    program = (
        "import sys, proctor_adapters.mlflow.plugin.store, proctor_adapters.mlflow.plugin.app\n"
        "print(sorted(name for name in sys.modules if name.startswith('proctor')))"
    )
    environment = {**os.environ, "_MLFLOW_SERVER_FILE_STORE": "sqlite://"}
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", program], env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.strip().strip("[]").replace("'", "").split(", "))
    engine = {name for name in loaded if name.startswith("proctor.") and not name.startswith("proctor.vocabulary")}
    assert engine <= {"proctor.errors", "proctor.plugins"}, engine
