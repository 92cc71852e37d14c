"""The door: raw bytes to a valid request, or one problem for each path that is wrong."""

import itertools
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from proctor.evidence.identify import required_lists
from proctor.vocabulary.canonical import NotCanonical, decode
from proctor.vocabulary.decision import Problem
from proctor.vocabulary.request import DecisionRequest

MAX_PROBLEMS = 100
MAX_ITEMS = 2000
"""Items of a list: as many as the longest list of the vocabulary may have (`facts.Words`)."""
_LARGE = 256 * 1024
"""Bytes from which the lists are looked at before pydantic builds an object for each of millions of items, which
holds up everybody else for seconds."""


def read(raw: bytes) -> DecisionRequest | list[Problem]:
    """Decode and validate one request.

    pydantic alone is not the door: it lets NaN, duplicate keys and huge integers through, so the strict decoder has
    seen the bytes before. Then the same bytes are validated strictly: `"true"` is not a boolean.
    """
    try:
        document = decode(raw)
    except NotCanonical as error:
        return [Problem(code="not_json", path=error.path, message=error.why)]
    if not isinstance(document, dict):
        return [Problem(code="wrong_type", message=f"is a {_kind(document)}; a request is a JSON object")]
    if len(raw) > _LARGE and (long := list(itertools.islice(_long(document, ""), MAX_PROBLEMS))):
        return long
    try:
        request = DecisionRequest.model_validate_json(raw, strict=True)
    except ValidationError as error:
        return list(_problems(error))
    return missing_lists(request) or request


def missing_lists(request: DecisionRequest) -> list[Problem]:
    """Return one problem for each list that a subject of this kind must carry and the request does not."""
    return [
        Problem(
            code="missing", path=f"/facts/{name}", message=f"is required for a {request.subject.kind}; [] means none"
        )
        for name in required_lists(request.subject.kind)
        if getattr(request.facts, name) is None
    ]


def _long(value: Any, path: str) -> Iterable[Problem]:
    """Yield a problem for each list that is too long; what is in it is not looked at."""
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        message = f"has {len(value)} items, more than the limit of {MAX_ITEMS}"
        yield Problem(code="too_long", path=path[:300], message=message)
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        if isinstance(item, (dict, list)):
            yield from _long(item, f"{path}/{name}")


def _problems(error: ValidationError) -> Iterable[Problem]:
    for item in error.errors(include_url=False, include_input=False, include_context=False)[:MAX_PROBLEMS]:
        path = "".join(f"/{part}" for part in item["loc"])
        if item["type"] == "missing":
            yield Problem(code="missing", path=path, message="is required")
        elif item["type"] == "extra_forbidden":
            yield Problem(code="unknown_field", path=path[:300], message="is not a field of a request")
        else:
            yield Problem(code="invalid", path=path[:300], message=item["msg"])


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "list"}
    return names.get(type(value), type(value).__name__)
