"""What the plugin believes of MLflow: whose run it was, which files are meant, whose verdict counts. No server."""

import types
import warnings
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, Response, g
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from proctor.vocabulary import run_tags

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own deprecations are not ours to mend
    from proctor_adapters.mlflow.plugin import artifacts, client, evidence, files, hashing, names, runs

RUN, OTHER = "1" * 32, "2" * 32
MODEL = "m-" + "0" * 32
RESERVED = st.sampled_from(["governance.", "Governance.", " GOVERNANCE.", "gOvErNaNcE."])
Thing = types.SimpleNamespace


def run(run_id: str = RUN, stage: str = "active", root: str = "", **tags: str) -> Any:
    root = root or f"mlflow-artifacts:/1/{run_id}/artifacts"
    info = Thing(run_id=run_id, lifecycle_stage=stage, artifact_uri=root, start_time=1_780_000_000_000)
    profile = Thing(name="holdout", digest="d", profile='{"num_rows": 400}', source_type="s3", source="{}")
    logged = Thing(dataset=profile, tags=[])
    dotted = {name.replace("_", ".", 1): value for name, value in tags.items()}
    return Thing(info=info, data=Thing(tags=dotted), inputs=Thing(dataset_inputs=[logged]))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let runs and versions be what a test puts into this."""
    kept: dict[str, Any] = {}

    def get(key: str) -> Any:
        if key not in kept:
            raise MlflowException("not there")
        return kept[key]

    def version(name: str, number: str) -> Any:
        return get(f"{name}/{number}")

    monkeypatch.setattr(evidence, "tracking_store", lambda: Thing(get_run=get, get_logged_model=get))
    monkeypatch.setattr(evidence, "registry_store", lambda: Thing(get_model_version=version))
    return kept


# --- Names ----------------------------------------------------------------------------------------------------------


@given(RESERVED, st.text(max_size=20))
def test_a_reserved_tag_is_refused_in_every_spelling(prefix: str, rest: str) -> None:
    with pytest.raises(MlflowException, match="written by Proctor alone") as error:
        names.refuse_reserved(["fine", prefix + rest])
    assert error.value.get_http_status_code() == 403


def test_only_the_claim_may_be_set_and_only_as_it_is_spelt() -> None:
    names.refuse_reserved(["governance.preflight", "governed", "x.governance.y"], but=run_tags.PREFLIGHT)
    with pytest.raises(MlflowException):
        names.refuse_reserved(["Governance.preflight"], but=run_tags.PREFLIGHT)


@given(st.integers(0, 10**9), st.integers(0, 5))
def test_a_version_is_one_number_however_it_is_written(number: int, zeros: int) -> None:
    assert names.version_text("0" * zeros + str(number)) == names.version_text(number) == str(number)


# --- Whose run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (f"mlflow-artifacts:/1/{RUN}/artifacts/model", True),
        (f"mlflow-artifacts:/1/{RUN}/artifacts", True),
        (f"mlflow-artifacts:/1/{OTHER}/artifacts/model", False),
        (f"mlflow-artifacts:/1/{RUN}/artifacts2/model", False),
        (f"mlflow-artifacts:/1/{RUN}/artifacts/../../{OTHER}/artifacts/model", False),
        (f"mlflow-artifacts:/1/{RUN}/artifacts/%2e%2e/x", False),
        (f"s3://bucket/1/{RUN}/artifacts/model", False),
        (f"mlflow-artifacts://host/1/{RUN}/artifacts/model", False),
        ("s3://evil/model", False),
        (f"runs:/{OTHER}/model", False),
    ],
)
def test_the_run_that_a_version_names_counts_only_where_its_files_are(
    store: dict[str, Any], source: str, counts: bool
) -> None:
    store[RUN] = run()
    found = evidence._maker(None, source, RUN)
    assert (found is not None) is counts


def test_a_logged_model_has_the_run_in_which_it_was_logged_whatever_a_version_says(store: dict[str, Any]) -> None:
    store |= {RUN: run(), OTHER: run(OTHER)}
    assert evidence._maker(Thing(source_run_id=OTHER), f"models:/{MODEL}", RUN).info.run_id == OTHER
    assert evidence._maker(Thing(source_run_id=None), f"models:/{MODEL}", RUN) is None


def test_a_deleted_run_proves_nothing(store: dict[str, Any]) -> None:
    store[RUN] = run(stage="deleted")
    assert evidence.run(RUN) is None


def test_a_copy_is_followed_to_its_original_and_not_for_ever(store: dict[str, Any]) -> None:
    store |= {"a/1": Thing(source=f"models:/{MODEL}"), "b/1": Thing(source="models:/a/1")}
    assert evidence.original("models:/b/1") == f"models:/{MODEL}"
    assert evidence.original("models:/gone/1") == "models:/gone/1"
    store |= {"x/1": Thing(source="models:/y/1"), "y/1": Thing(source="models:/x/1")}
    assert evidence.original("models:/x/1").startswith("models:/")


@pytest.mark.parametrize("body", ['{"run": {"info": {"run_id": "1"}}}', "{}", "no JSON"])
def test_a_run_that_cannot_be_marked_is_a_refusal_and_no_500(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    def fail(*_: object) -> None:
        raise KeyError("the database is away")

    monkeypatch.setattr(evidence, "tracking_store", lambda: Thing(set_tag=fail))
    app = Flask(__name__)
    app.add_url_rule("/runs", "_create_run", lambda: body, methods=["POST"])
    with app.test_request_context("/runs", method="POST"):
        g.proctor_stamps = {names.USER: "alice"}
        with pytest.raises(MlflowException, match="could not be marked") as error:
            runs.stamp(Response(body, 200))
        runs.stamp(Response(body, 403))
    assert error.value.get_http_status_code() == 403


# --- Measurements and verdicts --------------------------------------------------------------------------------------


def measured(store: dict[str, Any], *measuring: Any, value: float = 0.9) -> dict[str, Any]:
    for one in measuring:
        store[one.info.run_id] = one
    metrics = [
        Thing(
            key="accuracy", value=value, dataset_name="holdout", dataset_digest="d", run_id=one.info.run_id, timestamp=1
        )
        for one in measuring
    ]  # fmt: skip
    found: dict[str, Any] = {"measurements": []}
    evidence._measured(Thing(metrics=metrics), found, {})
    return found


def verdict(run_id: str, at: int, user: str | None, text: str) -> Any:
    found = run(run_id)
    found.info.start_time = at * 1000
    found.data.tags = {names.VERDICT: text} | ({names.USER: user} if user else {})
    return found


def test_samples_are_the_rows_of_the_profile_and_the_user_is_the_servers() -> None:
    store: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "run", store.get)
        one = run(governance_user="victor", mlflow_user="somebody")
        (found,) = measured(store, one)["measurements"]
        assert (found["samples"], found["user"]) == (400, "victor")
        for profile in (
            "",
            "{}",
            "[]",
            "no JSON",
            '{"num_rows": "400"}',
            '{"num_rows": true}',
            '{"num_rows": -1}',
            None,
        ):
            one.inputs.dataset_inputs[0].dataset.profile = profile
            assert measured(store, one)["measurements"][0]["samples"] == 0
        assert measured(store, one, value=float("nan"))["measurements"] == []


@pytest.mark.parametrize(
    ("verdicts", "validator"),
    [
        ([(1, "victor", "fit")], "victor"),
        ([(1, "victor", "fit"), (2, "victor", "unfit")], None),
        ([(1, "victor", "unfit"), (2, "victor", "fit")], "victor"),
        ([(1, "victor", "fit"), (2, "walter", "unfit")], None),
        ([(1, "victor", "unfit"), (2, "walter", "fit")], None),
        ([(1, "victor", "fit"), (2, "walter", "fit")], "walter"),
        ([(1, None, "fit")], None),
        ([(1, "victor", "Fit ")], None),
    ],
)
def test_of_each_person_the_newest_verdict_counts_and_one_no_is_enough(
    monkeypatch: pytest.MonkeyPatch, verdicts: list[tuple[int, str | None, str]], validator: str | None
) -> None:
    store: dict[str, Any] = {}
    monkeypatch.setattr(evidence, "run", store.get)
    ordered = [verdict(str(number) * 32, *one) for number, one in enumerate(verdicts)]
    for runs in (ordered, ordered[::-1]):
        assert measured(store, *runs).get("validator") == validator


def test_what_goes_wrong_while_evidence_is_gathered_is_a_403() -> None:
    def fail() -> dict[str, Any]:
        raise KeyError("x")

    with pytest.raises(MlflowException, match="could not be gathered") as error:
        evidence._answered(fail)
    assert error.value.get_http_status_code() == 403


def test_a_card_is_as_old_as_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "read", lambda *_: b"---\nname: fraud\n---\n# Intended use\ntext\n## Limits\n")
    card = evidence._card(run())
    assert card is not None
    assert card["headings"] == ["Intended use", "Limits"]
    assert card["statements"] == {"name": "fraud"}
    assert datetime.fromisoformat(card["at"]) == datetime.fromtimestamp(1_780_000_000, UTC)


@pytest.mark.parametrize("text", [b"---\n: : :\n---\n# A", b"---\nno end", b"\xff\xfe", b"", b"---\n- a\n---\n"])
def test_no_card_is_too_odd_to_be_read(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(files, "read", lambda *_: text)
    card = evidence._card(run())
    assert card is not None
    assert card["statements"] == {}


# --- Paths ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 6), st.text("abc0-/ %é", max_size=12))
def test_a_path_is_read_as_mlflow_will_read_it_however_often_it_is_encoded(times: int, text: str) -> None:
    path = f"1/models/{MODEL}/artifacts/x"
    for _ in range(times):
        path = quote(path, safe="")
    assert artifacts._MODEL.findall(artifacts.plain(path)) == [MODEL]
    assert artifacts.plain(artifacts.plain(text)) == artifacts.plain(text)


@pytest.mark.parametrize(
    ("path", "location", "overlap"),
    [
        (f"1/{RUN}/artifacts/model/x", f"mlflow-artifacts:/1/{RUN}/artifacts/model", True),
        (f"1/{RUN}/artifacts", f"mlflow-artifacts:/1/{RUN}/artifacts/model", True),
        (f"1/{RUN}/artifacts/model", f"s3://bucket/root/1/{RUN}/artifacts/model", True),
        (f"1/{RUN}/artifacts//model/./x", f"mlflow-artifacts:/1/{RUN}/artifacts/model", True),
        (f"1/{RUN}/artifacts/model2/x", f"mlflow-artifacts:/1/{RUN}/artifacts/model", False),
        (f"1/{RUN}/artifacts/governance/model_card.md", f"mlflow-artifacts:/1/models/{MODEL}/artifacts", False),
    ],
)
def test_a_path_touches_a_version_where_one_of_the_two_lies_in_the_other(
    path: str, location: str, overlap: bool
) -> None:
    assert artifacts._overlap(artifacts.plain(path), location) is overlap


@pytest.mark.parametrize("path", ["1", "1/models", "", "models"])
def test_what_is_above_runs_and_models_is_not_deleted(path: str) -> None:
    with pytest.raises(MlflowException, match="one by one"):
        artifacts.require_unsealed(path, deleting=True)


# --- Hashing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "done"),
    [(None, True), (client.Refused("409"), True), (client.Unavailable("503"), False), (client.Silent("x"), False)],
)
def test_what_proctor_refuses_is_not_tried_for_ever_and_what_it_missed_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Exception | None, done: bool
) -> None:
    def register(_: Any) -> dict[str, bool]:
        if fault is not None:
            raise fault
        return {"changed": False}

    monkeypatch.setattr(hashing, "_location", lambda _: "here")
    monkeypatch.setattr(hashing, "hashed", lambda _: iter([{"path": "MLmodel"}]))
    monkeypatch.setattr(evidence, "of_version", lambda _: {})
    monkeypatch.setattr(client, "shared", lambda: Thing(register=register))
    assert hashing.Hasher()._one(None, Thing(name="fraud", version="1", tags={})) is done
    assert ("fraud 1" in capsys.readouterr().err) is (fault is not None)


def test_a_version_waits_once_however_often_it_is_promoted(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = hashing.Hasher()
    monkeypatch.setattr(hasher, "start", lambda: None)
    for version in ("1", "1", "2", "1"):
        hasher.enqueue(Thing(name="fraud", version=version))
    assert hasher._queue.qsize() == 2


def test_every_file_is_hashed_with_its_path(tmp_path: Any) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "MLmodel").write_bytes(b"x")
    (tmp_path / "data" / "model.pkl").write_bytes(b"")
    found = {one["path"]: one for one in hashing.hashed(tmp_path.as_uri())}
    assert {path: (one["size"], one["unsafe"]) for path, one in found.items()} == {
        "MLmodel": (1, False), "data/model.pkl": (0, True)
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "nan", "inf", "1e9"])
def test_a_nonsensical_interval_stops_the_server_at_its_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PROCTOR_REVERIFY_SECONDS", text)
    with pytest.raises(MlflowException, match="PROCTOR_REVERIFY_SECONDS"):
        hashing.Hasher()


def test_one_process_of_several_does_the_round() -> None:
    with hashing._only_one() as first, hashing._only_one() as second:
        assert (first, second) == (True, False)
    with hashing._only_one() as again:
        assert again
