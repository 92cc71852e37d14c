"""The table of a benchmark run: target, what was measured, met or not; and when a machine is too noisy to tell."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

NOISY: Final = 1.5
"""When the bare OPA's own rate differs by more than this factor between the rounds of one run, ratios that miss their
target prove nothing, unless every single round missed it."""


@dataclass
class Board:
    """Rows in the order in which they were measured."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def note(self, what: str, measured: str) -> None:
        """Write down a figure that has no target."""
        self.rows.append((what, "-", measured, ""))

    def judge(
        self,
        what: str,
        rounds: Sequence[float],
        limit: float,
        *,
        at_least: bool,
        unit: str = "x",
        noise: float = 1.0,
    ) -> None:
        """Write down the median of `rounds` against its target and fail the test when it is not met.

        `noise` is how much the reference itself moved between the rounds (highest by lowest).
        """
        found = statistics.median(rounds)

        def good(value: float) -> bool:
            return value >= limit if at_least else value <= limit

        target = f"{'>=' if at_least else '<='} {_number(limit)}{unit}"
        shown = f"{_number(found)}{unit}"
        if len(rounds) > 1:
            shown += f" ({_number(min(rounds))} .. {_number(max(rounds))})"
        if good(found):
            self.rows.append((what, target, shown, "met"))
            return
        if noise > NOISY and any(good(value) for value in rounds):
            self.rows.append((what, target, shown, f"can't tell: the reference moved {noise:.1f}x"))
            pytest.skip(f"{what}: {shown}, target {target}; the reference itself moved {noise:.1f}x between rounds")
        self.rows.append((what, target, shown, "NOT MET"))
        pytest.fail(f"{what}: {shown}, target {target}; the reference moved {noise:.1f}x between rounds", pytrace=False)

    def lines(self) -> list[str]:
        """Return the table as text."""
        table = [("measured", "target", "found (rounds)", ""), *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(3)]
        return ["  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]).rstrip() for row in table]


def spread(values: Sequence[float]) -> float:
    """Return the highest by the lowest."""
    return max(values) / min(values)


def pairs(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(one, other, strict=True)]


def interleaved(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Run the measures one after the other, round by round; return the figures of each. Every other round backwards."""
    found: list[list[float]] = [[] for _ in measures]
    for number in range(rounds):
        order = list(enumerate(measures))
        for position, measure in order if number % 2 == 0 else reversed(order):
            found[position].append(measure())
    return found


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
