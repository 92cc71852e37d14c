"""examples/notebook.ipynb, executed as it stands: by a real kernel, as a person of a gated MLflow and a catalog."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from openlineage.client.event_v2 import DatasetEvent, StaticDataset

from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import World

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(180)]
NOTEBOOK = Path(__file__).parents[3] / "examples" / "notebook.ipynb"


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def cells(stored: Any, world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the code cells, run from the top."""
    tags = {"pii": "true", "licence": "internal", "purpose": "cheque-reading", "retention_until": "2099-01-01",
            "lawful_basis": "consent", "consent_status": "given", "consent_purposes": "cheque-reading"}  # fmt: skip
    facets = {"ownership": catalog.owners("team:payments"), "tags": catalog.tags(**tags)}
    dataset = StaticDataset(namespace="s3://lake", name="cheques", facets=facets)
    event = DatasetEvent(eventTime=datetime.now(UTC).isoformat(), producer=catalog.PRODUCER, dataset=dataset)
    catalog.client(world.proctor, world.keys["catalog"]).emit(event)
    catalog.eventually(lambda: "urn:ol:s3%3A%2F%2Flake:cheques" in catalog.facts_of(world.proctor))
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch, world.as_user("alice"):
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
            patch.setenv(name, str(folder))  # the kernel leaves nothing at home
        client = NotebookClient(nbformat.from_dict(stored.copy()), timeout=90, resources={"metadata": {"path": folder}})
        done = client.execute()
    return [cell for cell in done.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def executed(cells: list[Any]) -> list[tuple[str, str, str]]:
    """Return (source, text, HTML) of each code cell."""
    return [(cell.source, _said(cell, "text/plain"), _said(cell, "text/html")) for cell in cells]


def _said(cell: Any, kind: str) -> str:
    printed = [output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"]
    shown = [output.data.get(kind, "") for output in cell.outputs if "data" in output]
    return "".join([*(printed if kind == "text/plain" else []), *shown])


def of(executed: list[tuple[str, str, str]], beginning: str) -> tuple[str, str]:
    """Return what the one cell that holds `beginning` showed, as text and as HTML."""
    (found,) = [(text, page) for source, text, page in executed if beginning in source]
    return found


def test_nothing_of_ours_complains(cells: list[Any]) -> None:
    streams = [output for cell in cells for output in cell.outputs if output.output_type == "stream"]
    complaints = "".join(output.text for output in streams if output.name == "stderr")
    assert "proctor" not in complaints.lower(), complaints


def test_it_is_stored_without_outputs(stored: Any) -> None:
    for cell in stored.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_the_refusal_is_a_table_of_what_is_missing(executed: list[tuple[str, str, str]]) -> None:
    _, page = of(executed, 'proctor.preflight(purpose="cheque-reading"')
    assert "Denied" in page
    for rule in ("data.dataset_registered", "data.dataset_owned", "data.dataset_version_pinned"):
        assert rule in page
    assert "the catalog names an owner" in page
    raised, _ = of(executed, "with proctor.training(purpose=")
    assert raised.startswith("DENY  dec_")
    assert "never reached" not in raised


def test_the_other_dataset_is_allowed_and_the_run_bears_the_decision(executed: list[tuple[str, str, str]]) -> None:
    _, page = of(executed, "proctor.preflight(**plan)")
    assert "Allowed" in page
    alone, _ = of(executed, "mlflow.start_run()")
    assert "[training.preflight_valid]" in alone
    tags, _ = of(executed, "with proctor.training(**plan) as run")
    assert "'governance.preflight': 'dec_" in tags
    assert "'governance.user': 'alice'" in tags


def test_the_promotion_is_refused_with_what_to_do(executed: list[tuple[str, str, str]]) -> None:
    first, _ = of(executed, "def promote()")
    others = ("[registration.performance_sufficient]", "[registration.validator_independent]")
    assert all(rule in first for rule in ("[registration.card_complete]", *others)), first
    assert "Write governance/model_card.md into the run" in first
    second, _ = of(executed, "CARD = ")
    assert "[registration.card_complete]" not in second
    assert all(rule in second for rule in others), second
