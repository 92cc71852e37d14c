"""The strict door and the canonical bytes.

One decode of the raw bytes refuses what pydantic, orjson and `json` let through (NaN, infinities, integers
beyond 2**53 - 1, lone surrogates, duplicate keys, depth, size), and one encode yields RFC 8785 (JCS) bytes: what
is digested is exactly what OPA receives.
"""

import hashlib
import json
import math
from typing import Any, Final, TypeAlias

import orjson
import rfc8785

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
"""Any JSON value. RFC 8259."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""RFC 8785 section 3.2.2.3 takes numbers as IEEE 754 doubles: beyond this, integers collide."""
MAX_DEPTH: Final = 32
_CONTAINERS: Final = frozenset({dict, list})
_MAX_INTEGER_TEXT: Final = 17
"""Sign and 16 digits: longer text is beyond 2^53 and need not be parsed, which takes quadratic time."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""An AdmissionReview of an UPDATE can hold two objects of the API server's 3 MiB request limit."""


class NotCanonical(ValueError):  # noqa: N818 (it names what the document is, and is part of the vocabulary)
    """The document can't be decoded strictly or has no canonical form. `path` is a JSON pointer, `why` a phrase."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(f"{path or '/'}: {why}")
        self.why = why
        self.path = path


class _RefusedError(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"key {key!r:.80} appears twice in one object")
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_TEXT:
        raise _RefusedError("integer beyond 2^53")
    value = int(text)
    if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        raise _RefusedError("integer beyond 2^53")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _RefusedError("number too large for a double")
    return value


def _constant(text: str) -> Any:
    raise _RefusedError(f"{text} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def decode(raw: bytes, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JSON:
    """Decode `raw` strictly.

    Raises `NotCanonical` with the reason when the bytes are not UTF-8 JSON, too large or deep, hold a duplicate
    key, a number that is not an exact double, a lone surrogate, or a NUL character.
    """
    if len(raw) > max_bytes:
        raise NotCanonical(f"{len(raw)} bytes, more than the limit of {max_bytes}")
    try:
        text = raw.decode("utf-8")
        value = _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise NotCanonical(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise NotCanonical("nested too deeply") from error
    except _RefusedError as error:
        raise NotCanonical(str(error)) from error
    except json.JSONDecodeError as error:
        raise NotCanonical(f"not JSON at line {error.lineno} column {error.colno}: {error.msg}") from error
    _check_depth(value, max_depth)
    if not text.isascii() or "\\u" in text:
        _check_texts(value, "")
    return value  # type: ignore[no-any-return] # the decoder is typed Any and was told what to refuse


def _check_depth(value: Any, depth: int) -> None:
    """Refuse more than `depth` containers inside each other."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(depth):
        if not level:
            return
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) in _CONTAINERS
        ]
    if level:
        raise NotCanonical("nested too deeply")


def _check_texts(value: Any, path: str) -> None:
    """Refuse lone surrogates and NUL characters in `value`, which is not too deep. ASCII without escapes holds none."""
    kind = type(value)
    if kind is str:
        _check_text(value, path)
        if "\x00" in value:  # C programs take it for the end, and PostgreSQL does not store it
            raise NotCanonical("NUL character in a string", path)
    elif kind is dict:
        for key, item in value.items():
            _check_texts(key, path)
            _check_texts(item, f"{path}/{key}")
    elif kind is list:
        for index, item in enumerate(value):
            _check_texts(item, f"{path}/{index}")


def _check_text(text: str, path: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise NotCanonical("lone surrogate in a string", path) from error


_EXPONENT_FROM, _EXPONENT_TO = 1e-6, 1e-5
"""orjson writes these magnitudes with an exponent, RFC 8785 (ECMAScript) without."""
_MAX_LEVELS: Final = MAX_DEPTH * 2 + 1
"""Of what is written, which may lie deeper than what came in: a record holds documents."""
_PLAIN: Final = 0
_REWRITE: Final = 1
_RFC8785: Final = 2


def canonical(value: JSON) -> bytes:
    """Return the RFC 8785 bytes of `value`; raise `NotCanonical` for what has none.

    orjson with sorted keys differs from RFC 8785 only in integral floats, in magnitudes in [1e-6, 1e-5) and in
    keys outside ASCII (measured on 400,000 random doubles and 150,000 documents), so one walk finds out which
    of the two encoders may be used and the slow one is kept for those cases.
    """
    need = _needed(value)
    if need == _RFC8785:
        return rfc8785.dumps(value)
    if need == _REWRITE:
        value = _integral(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        # Such as a key whose type is a subclass of `str`.
        raise NotCanonical(str(error)) from error


def _needed(value: Any) -> int:
    """Return which encoder `value` needs, and refuse what has no canonical form.

    It looks level by level, without a call for each value: this is in the way of every decision more than ten times.
    """
    need = _PLAIN
    level: list[Any] = [value]
    for _ in range(_MAX_LEVELS):
        deeper: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                if not item.isascii():
                    _check_text(item, "")
            elif kind is dict:
                need = max(need, _needed_by_keys(item))
                deeper += item.values()
            elif kind is list:
                deeper += item
            elif kind is not bool and item is not None:
                need = max(need, _needed_by_number(item, kind))
        if not deeper:
            return need
        level = deeper
    raise NotCanonical("nested too deeply")


def _needed_by_keys(value: dict[Any, Any]) -> int:
    try:
        keys = "".join(value)
    except TypeError as error:
        raise NotCanonical(f"a key is no text: {error}") from error
    if keys.isascii():
        return _PLAIN
    for key in value:
        _check_text(key, "")
    return _RFC8785


def _needed_by_number(value: Any, kind: type) -> int:
    if kind is int:
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise NotCanonical("integer beyond 2^53")
        return _PLAIN
    if kind is float:
        return _needed_by_float(value)
    raise NotCanonical(f"value of type {kind.__name__}")


def _needed_by_float(value: float) -> int:
    if not math.isfinite(value):
        raise NotCanonical("NaN or infinity")
    if value.is_integer():
        return _REWRITE if abs(value) <= MAX_SAFE_INTEGER else _RFC8785
    return _RFC8785 if _EXPONENT_FROM <= abs(value) < _EXPONENT_TO else _PLAIN


def _integral(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict:
        return {key: _integral(item) for key, item in value.items()}
    if kind is list:
        return [_integral(item) for item in value]
    return value


def digest_bytes(raw: bytes) -> str:
    """Return `sha256:<hex>` of `raw`."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def digest(value: JSON) -> str:
    """Return `sha256:<hex>` of the canonical bytes of `value`; raise `NotCanonical` where there are none."""
    return digest_bytes(canonical(value))
