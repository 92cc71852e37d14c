"""Counts failed authentications, so that whoever keeps failing has to wait.

The keys hold 256 random bits and can't be guessed; what this stops is the load, and the noise in the metrics, of a
client that tries for ever. Failures are counted for a client address together with the key prefix that it tried: a
broken job that shares an address with others locks out itself and not them.
"""

from collections import OrderedDict
from typing import Final

MAX_FAILURES: Final = 10
WINDOW: Final = 60.0
"""Seconds that a failure counts, and that a lock-out lasts."""
MAX_ENTRIES: Final = 10_000


class Lockout:
    """A bounded table of failures. Times are seconds of any monotonic clock."""

    def __init__(
        self, max_failures: int = MAX_FAILURES, window: float = WINDOW, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._max_failures = max_failures
        self._window = window
        self._max_entries = max_entries
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many pairs of client and prefix are remembered."""
        return len(self._failures)

    def remaining(self, client: str, prefix: str, now: float) -> float:
        """Return the seconds that this client has to wait with this prefix; 0 when it may try."""
        count, since = self._failures.get((client, prefix), (0, now))
        if count < self._max_failures or now - since >= self._window:
            return 0.0
        return self._window - (now - since)

    def failed(self, client: str, prefix: str, now: float) -> None:
        """Count one failure. The pair that has failed least recently is forgotten when the table is full."""
        pair = (client, prefix)
        count, since = self._failures.get(pair, (0, now))
        if now - since >= self._window:
            count, since = 0, now
        count += 1
        # The wait starts with the failure that fills the measure.
        self._failures[pair] = (count, now if count == self._max_failures else since)
        self._failures.move_to_end(pair)
        while len(self._failures) > self._max_entries:
            self._failures.popitem(last=False)

    def succeeded(self, client: str, prefix: str) -> None:
        """Forget the failures of this pair."""
        self._failures.pop((client, prefix), None)
