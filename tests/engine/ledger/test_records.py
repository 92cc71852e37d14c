import json
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from proctor.errors import LedgerError
from proctor.ledger import records
from proctor.ledger.merkle import leaf_hash
from proctor.ledger.records import Entry, Kind, decode_record, encode

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    st.sampled_from(list(Kind)),
    st.text(min_size=1),
    st.dictionaries(st.text(), values, max_size=4),
    st.integers(0, 2**40),
)
def test_the_record_is_canonical_and_comes_back(kind: Kind, name: str, record: dict[str, object], index: int) -> None:
    raw = encode(Entry(kind, name, record), NOW).at(index)
    assert raw == rfc8785.dumps(json.loads(raw, parse_int=records._number))
    assert b"\n" not in raw  # an export has one record on each line
    found = decode_record(raw, leaf_hash(raw))
    assert (found.index, found.kind, found.id, found.record) == (index, kind, name, record)
    assert found.recorded_at == "2026-01-02T03:04:05.000006Z"


@pytest.mark.parametrize(
    "entry",
    [
        Entry("gossip", "x", {}),
        Entry("decision", "", {}),
        Entry("decision", "x", {"score": float("nan")}),
        Entry("decision", "x", {"at": NOW}),
        Entry("decision", "\ud800", {}),
    ],
)
def test_what_has_no_canonical_form_is_refused(entry: Entry) -> None:
    with pytest.raises(LedgerError):
        encode(entry, NOW)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", b'{"id":"x","index":0,"kind":"?","record":{}}'])
def test_damaged_bytes_are_an_error_and_no_entry(raw: bytes) -> None:
    with pytest.raises(LedgerError, match="damaged"):
        decode_record(raw, b"")
