import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.vocabulary.datasets import Dataset, canonical, from_mlflow, parse

NAMESPACES = st.one_of(
    st.sampled_from(
        [
            "s3://lake",
            "S3A://Lake",
            "gs://b",
            "postgres://h:5432",
            "postgresql://u:p@H:None",
            "file",
            "unitycatalog://h",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30),
)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=60)


def _maybe(namespace: str, name: str) -> Dataset | None:
    try:
        return canonical(namespace, name)
    except ValueError:
        return None


@given(NAMESPACES, NAMES)
def test_the_canonical_form_is_its_own_canonical_form_and_its_urn_reads_back(namespace: str, name: str) -> None:
    found = _maybe(namespace, name)
    if found is not None:
        assert canonical(found.namespace, found.name) == found
        assert parse(found.urn) == found
        assert found.urn.count(":") == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("s3://bucket", "some/prefix/v3"), ("s3a://bucket", "/some/prefix//v3/")),
        (("s3://Bucket", "a"), ("S3N://bucket", "a")),
        (("postgres://host:5432", "db.schema.table"), ("postgresql://user:secret@HOST", "db.schema.table")),
        (("postgres://host:5432", "db.s.t"), ("postgres://host:None", "db.s.t")),
        (("mysql://h:3306", "db.t"), ("mysql://h", "db.t")),
        (("abfss://c@a.dfs.core.windows.net".replace("c@", ""), "x"), ("abfs://a.dfs.core.windows.net", "/x")),
    ],
)
def test_spellings_of_one_thing_meet(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert canonical(*one) == canonical(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("s3://bucket", "a/b"), ("s3://bucket", "a/B")),
        (("s3://bucket", "a"), ("gs://bucket", "a")),
        (("postgres://host:5432", "db.s.t"), ("postgres://host:5433", "db.s.t")),
        (("kafka://h:9092", "topic"), ("kafka://h", "topic")),
        (("a", "b:c"), ("a:b", "c")),
    ],
)
def test_different_things_stay_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert canonical(*one) != canonical(*other)
    assert canonical(*one).urn != canonical(*other).urn


@pytest.mark.parametrize(
    "text", ["", "urn:ol:a", "urn:ol::x:y", "urn:ol:S3%3A%2F%2Fb:x", "urn:li:dataset:x", "urn:ol:a:%FF"]
)
def test_what_is_no_canonical_urn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(("namespace", "name"), [("", "x"), ("x", ""), ("x", "a\x00b"), ("x", "y" * 3000), ("x", "  ")])
def test_what_names_nothing_is_refused(namespace: str, name: str) -> None:
    with pytest.raises(ValueError, match="name no dataset"):
        canonical(namespace, name)


def test_a_secret_in_a_namespace_is_dropped() -> None:
    assert "secret" not in canonical("postgres://user:secret@h?password=secret", "db.s.t").urn


def test_a_version_is_part_of_the_digest_and_not_of_the_name() -> None:
    dataset = canonical("s3://lake", "payments")
    assert dataset.digest("1") != dataset.digest("2")
    assert dataset.digest("1") == canonical("s3a://lake", "/payments/").digest("1")


@pytest.mark.parametrize(
    ("source_type", "source", "urn", "version"),
    [
        ("s3", {"uri": "s3://bucket/some/prefix/v3"}, canonical("s3://bucket", "some/prefix/v3").urn, None),
        ("http", {"url": "https://h/churn.csv"}, canonical("https://h", "/churn.csv").urn, None),
        ("delta_table", {"path": "s3://b/t", "delta_table_version": 7}, canonical("s3://b", "t").urn, "7"),
        ("hugging_face", {"path": "org/set", "revision": "abc"}, canonical("hf://datasets", "org/set").urn, "abc"),
    ],
)
def test_mlflow_sources_get_the_names_that_catalogs_use(
    source_type: str, source: dict[str, object], urn: str, version: str | None
) -> None:
    found = from_mlflow(source_type, json.dumps(source))
    assert found.dataset is not None
    assert (found.dataset.urn, found.version) == (urn, version)


@pytest.mark.parametrize(
    ("source_type", "source"),
    [
        ("local", '{"uri": "/data/train.csv"}'),
        ("code", '{"tags": {}}'),
        ("spark", '{"sql": "select 1"}'),
        ("delta_table", '{"delta_table_name": "a.b.c"}'),
        ("s3", "not json"),
        ("s3", "[]"),
        ("s3", '{"uri": "file:///x"}'),
    ],
)
def test_what_nobody_else_could_know_is_unresolved_and_says_why(source_type: str, source: str) -> None:
    found = from_mlflow(source_type, source)
    assert found.dataset is None
    assert found.why
