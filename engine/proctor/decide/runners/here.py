"""The smallest runner: this process, one piece after the other. For a few decisions others cost more than they save."""

from collections.abc import Callable, Iterable, Iterator
from typing import Self, TypeVar

from proctor.decide import again

T = TypeVar("T")
R = TypeVar("R")


class InProcess:
    """Implements `runner.Runner`."""

    def __enter__(self) -> Self:
        """Start nothing: an OPA comes with the first piece."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the OPAs of this process."""
        again.close()

    def map(self, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
        """Yield the results in order; see `runner.Runner`."""
        return map(work, pieces)
