"""The foreign shape: an AdmissionReview, read leniently.

Unknown fields are ignored and a field of the wrong type is absent, because an answer must go out whatever came in.
Only what would make two readers see two documents (duplicate keys, NaN, text that is not UTF-8) is refused.
Shape: `k8s.io/api/admission/v1` and `v1beta1`, which agree in every field that is read here.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

GROUP: Final = "admission.k8s.io"
VERSIONS: Final = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
_UID = re.compile(rb'"uid"\s*:\s*"((?:[^"\\\x00-\x1f]|\\.){1,512})"')
_API_VERSION = re.compile(rb'"apiVersion"\s*:\s*"(admission\.k8s\.io/[a-z0-9]{1,32})"')


class UnreadableError(ValueError):
    """The body is not one JSON document that every reader understands alike. The text says why."""


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A group with a kind or a resource in it; empty text where the review has none."""

    group: str
    name: str


@dataclass(frozen=True, slots=True)
class Review:
    """The request of an AdmissionReview. Empty text and None stand for what is absent or has the wrong type."""

    uid: str
    api_version: str
    kind: GroupKind
    resource: GroupKind
    subresource: str
    name: str
    namespace: str
    operation: str
    username: str
    object: Any
    old_object: Any
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the answer needs, whatever else is wrong."""

    uid: str
    api_version: str


def decode(raw: bytes) -> Any:
    """Decode the body. Raises `UnreadableError`."""
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise UnreadableError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise UnreadableError(f"it is not JSON at line {error.lineno} column {error.colno}") from error
    except UnreadableError:
        raise
    except ValueError as error:  # an integer of more digits than Python converts
        raise UnreadableError("it holds a number that is too long") from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableError("an object in it has the same key twice")
    return found


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        # 1e400 is Infinity here, and a number to OPA and to Go's decoder.
        raise UnreadableError("it holds a number beyond what a double can hold")
    return value


def _constant(_: str) -> Any:
    raise UnreadableError("it holds NaN or Infinity")


def envelope(raw: bytes, document: Any = None) -> Envelope | None:
    """Return uid and version for the answer: from the decoded document, else from anywhere in the bytes.

    None when there is no uid at all. What has none in its request is never allowed, so that a uid from elsewhere
    only lets the denial be read.
    """
    request = mapping(document).get("request")
    uid = text(mapping(request).get("uid"))
    version = text(mapping(document).get("apiVersion"))
    if not uid:
        match = _UID.search(raw)
        if match is None:
            return None
        uid = _unescaped(match[1])
        if not version:
            found = _API_VERSION.search(raw)
            version = found[1].decode() if found else ""
    return Envelope(uid, version if version.startswith(f"{GROUP}/") else VERSIONS[0])


def _unescaped(raw: bytes) -> str:
    plain = raw.decode("utf-8", "replace")
    try:
        return str(json.loads(f'"{plain}"'))
    except ValueError:
        return plain


def read(document: Any) -> Review | None:
    """Return the request of the review, or None where there is none with a uid."""
    request = mapping(document).get("request")
    uid = text(mapping(request).get("uid"))
    if not isinstance(request, dict) or not uid:
        return None
    options = mapping(request.get("options"))
    dry_run = request.get("dryRun") is True or bool(options.get("dryRun"))
    return Review(
        uid=uid,
        api_version=text(mapping(document).get("apiVersion")),
        kind=_pair(request.get("kind"), "kind"),
        resource=_pair(request.get("resource"), "resource"),
        subresource=text(request.get("subResource")),
        name=text(request.get("name")),
        namespace=text(request.get("namespace")),
        operation=text(request.get("operation")),
        username=text(mapping(request.get("userInfo")).get("username")),
        object=request.get("object"),
        old_object=request.get("oldObject"),
        dry_run=dry_run,
    )


def _pair(value: Any, key: str) -> GroupKind:
    found = mapping(value)
    return GroupKind(text(found.get("group")), text(found.get(key)))


def mapping(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """Return `value` if it is text, else empty text."""
    return value if isinstance(value, str) else ""
