"""The strict door and the canonical bytes, held against the reference encoder and against hostile documents."""

import json
import math

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proctor.vocabulary.canonical import MAX_SAFE_INTEGER, NotCanonical, canonical, decode, digest

numbers = st.one_of(
    st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(1e-7, 1e-4),
    st.sampled_from([0.0, -0.0, 1.0, 1e15, 1e16, 1e20, 1e21, 1e22, 5e-6, 1e-6, 9.999e-6, 1e-5]),
)
documents = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(documents)
@example({"\U00010000": 1, "\ufffd": 2})
@example({"a": [1e-6, 1.0, 1e21]})
@settings(max_examples=600, deadline=None)
def test_bytes_equal_the_reference_encoder(document: object) -> None:
    try:
        document_bytes = rfc8785.dumps(document)  # type: ignore[arg-type]
    except (rfc8785.IntegerDomainError, rfc8785.FloatDomainError):
        return
    assert canonical(document) == document_bytes  # type: ignore[arg-type]


@given(documents)
@settings(max_examples=200, deadline=None)
def test_decoding_canonical_bytes_gives_the_same_bytes_again(document: object) -> None:
    raw = canonical(document)  # type: ignore[arg-type]
    try:
        again = decode(raw)
    except NotCanonical as error:
        # Floats beyond 2^53 are written as integers by RFC 8785, and the door takes no such integer, and no NUL.
        assert "2^53" in error.why or "NUL" in error.why  # noqa: PT017 (only some documents raise)
        return
    assert canonical(again) == raw


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"a":1,"a":2}', "appears twice"),
        (b'{"x":{"a":1,"a":1}}', "appears twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "Infinity is not JSON"),
        (b"[1e400]", "too large"),
        (b"[9007199254740992]", "2^53"),
        (b"[-9007199254740992]", "2^53"),
        (b"[" + b"9" * 5000 + b"]", "2^53"),
        (b'["\\ud800"]', "surrogate"),
        (b'["a\\u0000"]', "NUL"),
        (b'{"a":{"\\u0000":1}}', "NUL"),
        (b'{"\\udc00":1}', "surrogate"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "deeply"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "deeply"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
    ],
)
def test_the_door_refuses(raw: bytes, why: str) -> None:
    with pytest.raises(NotCanonical, match=why.replace("^", r"\^")):
        decode(raw)


def test_the_door_bounds_the_size() -> None:
    with pytest.raises(NotCanonical, match="more than the limit"):
        decode(json.dumps("x" * 100).encode(), max_bytes=50)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, {1: "a"}, {"a": object()}, b"raw", "\ud800", ["\udc00"]])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)  # type: ignore[arg-type]


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"b": 1, "a": [1.0, 2]}) == digest({"a": [1, 2], "b": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
