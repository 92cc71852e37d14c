import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.vocabulary.datasets import Dataset, asserted, canonical, from_mlflow, located, parse

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
        (("abfss://c@a.dfs.core.windows.net", "x"), ("abfs://c:secret@A.dfs.core.windows.net", "/x")),
        (("wasb://c@a.blob.core.windows.net", "x"), ("wasbs://c@a.blob.core.windows.net", "x/")),
        (("https://h", "/a.csv"), ("https://user:secret@H:443?token=x", "/a.csv")),
        (("file", "/data/./a"), ("file", "/data/b/../a")),
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
        (("abfss://one@a.dfs.core.windows.net", "x"), ("abfss://other@a.dfs.core.windows.net", "x")),
        (("http://h:443", "/a"), ("http://h", "/a")),
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
        ("s3", {"uri": "s3a://bucket//a#b?c/"}, canonical("s3://bucket", "a#b?c").urn, None),
        ("spark", {"path": "gs://b/t"}, canonical("gs://b", "t").urn, None),
    ],
)
def test_mlflow_sources_get_the_names_that_catalogs_use(
    source_type: str, source: dict[str, object], urn: str, version: str | None
) -> None:
    found = from_mlflow(source_type, json.dumps(source))
    assert found.dataset is not None
    assert (found.dataset.urn, found.version, found.confidence) == (urn, version, "exact")


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
        ("s3", "[" * 100_000),
        ("http", '{"url": "https://h/data?set=1"}'),
        ("delta_table", '{"path": "dbfs:/tables/x"}'),
        ("spark", '{"table_name": "orders"}'),
        ("uc_volume", '{"path": "dbfs:/Volumes/c/s/v/x.csv"}'),
    ],
)
def test_what_nobody_else_could_know_is_unresolved_and_says_why(source_type: str, source: str) -> None:
    found = from_mlflow(source_type, source)
    assert found.dataset is None
    assert found.why
    assert found.confidence == "none"


@pytest.mark.parametrize(
    ("source_type", "source", "name", "version"),
    [
        ("delta_table", {"delta_table_name": "c.s.t", "delta_table_version": 3}, "c.s.t", "3"),
        ("spark", {"table_name": "c.s.t"}, "c.s.t", None),
        ("uc_volume", {"path": "dbfs:/Volumes/c/s/v/x/y.csv"}, "c.s.v/x/y.csv", None),
    ],
)
def test_tables_without_a_namespace_live_where_the_operator_says(
    source_type: str, source: dict[str, object], name: str, version: str | None
) -> None:
    found = from_mlflow(source_type, json.dumps(source), "unitycatalog://uc.example.com")
    assert found.dataset == canonical("unitycatalog://uc.example.com", name)
    assert (found.version, found.confidence) == (version, "mapped")


@pytest.mark.parametrize("table", ["t", "s.t", "c.s.t.more", "c..t"])
def test_a_table_that_is_not_wholly_named_is_not_guessed(table: str) -> None:
    found = from_mlflow("delta_table", json.dumps({"delta_table_name": table}), "unitycatalog://h")
    assert found.dataset is None


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (("snowflake://org-acc", "DB.S.T"), ("snowflake://org-acc", "db.s.t"), True),
        (("hive://h", "Db.T"), ("hive://h:10000", "db.t"), True),
        (("arn:aws:glue:eu-west-1:1", "table/DB/T"), ("arn:aws:glue:eu-west-1:1", "table/db/t"), True),
        (("unitycatalog://h", "C.s.t"), ("unitycatalog://h", "c.S.t"), True),
        (("s3://bucket", "A"), ("s3://bucket", "a"), False),
        (("postgres://h", "db.s.T"), ("postgres://h", "db.s.t"), False),
        (("snowflake://one", "db.s.t"), ("snowflake://other", "db.s.t"), False),
        (("snowflakes://h", "A"), ("snowflakes://h", "a"), False),
    ],
)
def test_names_meet_in_another_case_where_the_platform_does_not_tell_them_apart(
    one: tuple[str, str], other: tuple[str, str], meet: bool
) -> None:
    assert (canonical(*one).match_key == canonical(*other).match_key) is meet


@given(NAMES)
def test_a_match_key_is_its_own_match_key(name: str) -> None:
    found = _maybe("snowflake://org-acc", name)
    if found is not None:
        assert parse(found.match_key).match_key == found.match_key


@pytest.mark.parametrize(
    "uri", ["s3://bucket", "s3://bucket/", "s3:///x", "postgres://h:5432/db", "/data/x", "", "s3:x"]
)
def test_a_uri_that_names_no_object_is_no_location(uri: str) -> None:
    assert located(uri) is None


@pytest.mark.parametrize(
    ("asserts", "group", "namespace", "expected"),
    [
        (["datasets/*/legal"], "legal", "s3://lake", True),
        (["datasets/*/legal@s3a://Lake/"], "legal", "s3://lake", True),
        (["datasets/*/legal@abfss://c@a.net"], "legal", "abfss://c@a.net", True),
        (["datasets/*/legal@s3://lake"], "legal", "s3://lake2", False),
        (["datasets/*/legal@s3://lake"], "ownership", "s3://lake", False),
        (["datasets/*/lega"], "legal", "s3://lake", False),
        (["models/*/legal", "legal", "datasets/*/*"], "legal", "s3://lake", False),
        ([], "legal", "s3://lake", False),
    ],
)
def test_a_key_says_what_it_names_where_it_names_it(
    asserts: list[str], group: str, namespace: str, expected: bool
) -> None:
    assert asserted(asserts, group, namespace) is expected
