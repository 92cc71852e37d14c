from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.store.moments import from_text, to_text

moments = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2099, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip


@given(moments, moments)
def test_text_comes_back_and_sorts_as_time_does(one: datetime, other: datetime) -> None:
    assert from_text(to_text(one)) == one
    assert (to_text(one) < to_text(other)) == (one < other)


def test_the_form() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert to_text(moment) == "2026-01-02T01:04:05.000000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_text(datetime(2026, 1, 2))  # noqa: DTZ001


@pytest.mark.parametrize("text", ["", "2026-01-02", "2026-01-02T01:04:05Z", "2026-01-02T01:04:05.000000+00:00"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="match"):
        from_text(text)
