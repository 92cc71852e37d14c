"""Model URIs as the inventory looks them up, and which of them a registration may carry."""

from typing import Final

from proctor.errors import RefusedError
from proctor.vocabulary.references import UNKNOWN, ModelUri, parse_model

MAX_LENGTH: Final = 1024
"""Characters; the longest key of an object store has as many bytes."""


def parse(uri: str) -> ModelUri:
    """Take a model URI apart; see `proctor.vocabulary.references.parse_model`."""
    return parse_model(uri)


def registrable(uri: str, digest: str) -> ModelUri:
    """Return the parsed `uri` if a version with `digest` may be registered under it.

    Raises `RefusedError` for text that is no URI, and for a URI that carries another digest: two digests of one
    model would let an admission compare the wrong one.
    """
    tried = f"registering the URI {uri[:200]!r}"
    parsed = parse_model(uri)
    if len(uri) > MAX_LENGTH or parsed.scheme == UNKNOWN:
        raise RefusedError(
            "invalid_request", 422, tried, "not a model URI", "Write it as models:/NAME/VERSION, s3://... or oci://..."
        )
    if parsed.digest is not None and parsed.digest != digest:
        raise RefusedError(
            "invalid_request", 422, tried, f"the digest in it is not {digest}", "Register the digest that the URI names"
        )
    return parsed
