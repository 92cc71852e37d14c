"""Namespaces to environments: the most specific pattern, no ties, and nothing for what no pattern matches."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.errors import SettingsError
from proctor_adapters.kubernetes.configuration import KubernetesSettings, overlap


def test_without_configuration_everything_is_prod() -> None:
    settings = KubernetesSettings.read({})
    assert settings.environment("anything") == "prod"
    assert settings.environment("") == "prod"
    assert not settings.ungoverned_namespaces


@pytest.mark.parametrize(
    ("namespace", "environment"),
    [("ml-dev", "dev"), ("ml-dev-x", "staging"), ("ml-x", "prod"), ("web", None), ("", None), ("ML-x", None)],
)
def test_the_most_specific_pattern_wins(namespace: str, environment: str | None) -> None:
    patterns = {"ml-*": "prod", "ml-dev*": "staging", "ml-dev": "dev"}
    assert KubernetesSettings.read({"namespaces": patterns}).environment(namespace) == environment


@pytest.mark.parametrize(
    "section",
    [
        {"namespaces": {"ml-*": "prod", "*-ml": "dev"}},
        {"namespaces": {"a?": "prod", "a*": "dev"}},
        {"namespaces": {"ml-[ab]": "prod"}},
        {"namespaces": {"ml": "Prod"}},
        {"namespaces": "prod"},
        {"namespace": {"*": "prod"}},
        {"ungoverned_namespaces": ["kube-*"]},
        {"ungoverned_subresources": ["exec"]},
        {"budget": 0},
        {"registrations": {"x": {"on_engine_error": "ignore"}}},
        {"registrations": {"x": {"on_engine_error": "defer"}}},
        {"registrations": {"x": {"on_engine_error": "defer", "until": "2026-01-01T00:00:00Z"}}},
        {"registrations": {"x": {"on_engine_error": "defer", "signed_by": "person:alice"}}},
        {
            "registrations": {
                "x": {"on_engine_error": "defer", "until": "2026-01-01T00:00:00", "signed_by": "person:alice"}
            }
        },
        {
            "registrations": {
                "x": {"on_engine_error": "defer", "until": "2026-01-01T00:00:00Z", "signed_by": "service:bot"}
            }
        },
    ],
)
def test_what_is_wrong_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"adapters\.kubernetes"):
        KubernetesSettings.read(section)


def test_a_tie_that_changes_nothing_is_none() -> None:
    settings = KubernetesSettings.read({"namespaces": {"ml-*": "prod", "*-ml": "prod", "abc": "dev", "xyz": "prod"}})
    assert settings.environment("ml-ml") == "prod"


def test_a_deferral_ends() -> None:
    entry = {"on_engine_error": "defer", "until": "2026-06-01T00:00:00Z", "signed_by": "person:alice"}
    registration = KubernetesSettings.read({"registrations": {"core": entry}}).registrations["core"]
    assert registration.defers(datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC))
    assert not registration.defers(datetime(2026, 6, 1, tzinfo=UTC))


patterns = st.text(alphabet="ab*?", min_size=1, max_size=5)


@given(patterns, patterns, st.text(alphabet="ab", max_size=6))
def test_overlap_never_misses_a_common_name(one: str, other: str, name: str) -> None:
    if fnmatchcase(name, one) and fnmatchcase(name, other):
        assert overlap(one, other)


@pytest.mark.parametrize(("one", "other"), [("a*", "b*"), ("a?", "b?"), ("*a", "*b"), ("a", "b"), ("a?c", "a")])
def test_overlap_is_not_always(one: str, other: str) -> None:
    assert not overlap(one, other)
