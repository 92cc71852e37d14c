"""The section `adapters.kubernetes` of the configuration file: which namespaces are governed, and as what.

The environment comes from here, by namespace name, and never from a label that the object's author could write.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from proctor.errors import SettingsError
from proctor.vocabulary.facts import Identifier, Moment, PersonId

Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?.-]{1,253}$")]
RegistrationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Registration(_Section):
    """How one webhook registration (`/admit/NAME`) is answered when Proctor itself can't decide."""

    on_engine_error: Literal["deny", "defer"] = "deny"
    """`defer`: answer as a failed call, so that the cluster's own failurePolicy decides."""
    until: Moment | None = None
    """End of the deferral; at and after it, errors deny again."""
    signed_by: PersonId | None = None
    """The person who accepted the risk; each use is logged with this name."""

    @model_validator(mode="after")
    def _dated_and_signed(self) -> Self:
        if self.on_engine_error == "defer" and (self.until is None or self.signed_by is None):
            raise ValueError("defer needs `until`, a date, and `signed_by`, the person who accepted the risk")
        return self

    def defers(self, now: datetime) -> bool:
        """Tell whether an engine error is answered as a failed call at `now`."""
        return self.on_engine_error == "defer" and self.until is not None and now < self.until


class KubernetesSettings(_Section):
    """What the operator says about the cluster."""

    namespaces: dict[Pattern, Identifier] = {"*": "prod"}
    """Namespace pattern (`*` any text, `?` one character) to environment; the most specific pattern wins."""
    ungoverned_namespaces: frozenset[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]] = frozenset()
    """Names, not patterns, of namespaces in which nothing is judged."""
    ungoverned_subresources: frozenset[Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+/[a-z]+$")]] = frozenset()
    """Such as `pods/exec`: let through without a decision. Without it, CONNECT is denied."""
    not_models: frozenset[str] = frozenset()
    """Names of variables, flags and fields that look as if they named a model and don't."""
    registrations: dict[RegistrationName, Registration] = {}
    budget: Annotated[float, Field(gt=0, le=30)] = 3.0
    """Seconds for an answer when the API server names no timeout of its own."""

    @classmethod
    def read(cls, section: Mapping[str, Any]) -> Self:
        """Validate the section. Raises `SettingsError` with one line for each wrong key."""
        try:
            return cls.model_validate(dict(section))
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            ]
            raise SettingsError(
                "reading adapters.kubernetes", "; ".join(lines), "Mend the configuration file"
            ) from error

    @field_validator("not_models")
    @classmethod
    def _plain(cls, names: frozenset[str]) -> frozenset[str]:
        return frozenset(plain(name) for name in names)

    @field_validator("namespaces")
    @classmethod
    def _unambiguous(cls, namespaces: dict[str, str]) -> dict[str, str]:
        patterns = sorted(namespaces)
        for position, one in enumerate(patterns):
            for other in patterns[position + 1 :]:
                same = namespaces[one] == namespaces[other]
                if not same and specificity(one) == specificity(other) and overlap(one, other):
                    raise ValueError(f"{one} and {other} are equally specific, match a common name and differ")
        return namespaces

    def environment(self, namespace: str) -> str | None:
        """Return the environment of a namespace (empty for objects outside of all), or None: then deny."""
        matching = [pattern for pattern in self.namespaces if fnmatchcase(namespace, pattern)]
        return self.namespaces[max(matching, key=specificity)] if matching else None


def plain(name: str) -> str:
    """Return a name in lower case without punctuation: `--model-uri`, `MODEL_URI` and `modelUri` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def specificity(pattern: str) -> tuple[bool, int]:
    """Return the order in which patterns win: a name without wildcards, then more literal characters."""
    wild = sum(pattern.count(character) for character in "*?")
    return wild == 0, len(pattern) - wild


def overlap(one: str, other: str) -> bool:
    """Tell whether some name matches both patterns."""

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(one) and j == len(other):
            return True
        if i < len(one) and one[i] == "*":
            return meet(i + 1, j) or (j < len(other) and meet(i, j + 1))
        if j < len(other) and other[j] == "*":
            return meet(i, j + 1) or (i < len(one) and meet(i + 1, j))
        if i == len(one) or j == len(other):
            return False
        return (one[i] == other[j] or "?" in (one[i], other[j])) and meet(i + 1, j + 1)

    return meet(0, 0)
