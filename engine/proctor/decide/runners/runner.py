"""The seam: a function for each piece of work, applied somewhere, with the results in order and memory bounded.

Work is a function of a module and its argument, both of which travel to another process. Pieces are taken from their
source only as fast as results are taken from the iterator, so a hundred thousand records never stand in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
AHEAD: Final = 2
"""Pieces under way for each worker: one that it works on, and one that it goes on with."""


class Runner(Protocol):
    """Applies work to pieces. Used as a context manager: leaving it ends everything that it started."""

    def __enter__(self) -> Self:
        """Start what is needed."""
        ...

    def __exit__(self, *_: object) -> None:
        """End all of it, whatever happened."""
        ...

    def map(self, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
        """Yield the results in the order of the pieces.

        Raises what `work` raises, and `EngineError` when a worker is lost. Pieces that were not begun are dropped then.
        """
        ...


class Promise(Protocol[R_co]):
    """A result to come, as `concurrent.futures` and Dask have it."""

    def result(self) -> R_co:
        """Wait for it and return it, or raise what became of it."""
        ...

    def cancel(self) -> object:
        """Drop it, if it is not begun."""
        ...


def in_order(submit: Callable[[T], Promise[R]], pieces: Iterable[T], ahead: int) -> Iterator[R]:
    """Yield results in order with at most `ahead` pieces under way; drop the rest when the iterator is left."""
    waiting: deque[Promise[R]] = deque()
    source = iter(pieces)
    more = True
    try:
        while more or waiting:
            while more and len(waiting) < ahead:
                try:
                    piece = next(source)
                except StopIteration:
                    more = False
                else:
                    waiting.append(submit(piece))
            if waiting:
                yield waiting.popleft().result()
    finally:
        for promise in waiting:
            promise.cancel()
