"""Delivers what is in the outbox: at least once, in bounded attempts, and what nobody took is kept as a dead letter.

Sinks don't wait for each other. Whatever a receiver answers is bounded and read only for its status: no redirect is
followed, because the body is signed for one receiver.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import httpx
import structlog

from proctor import __version__
from proctor.alerts import signature
from proctor.errors import EngineError, SettingsError
from proctor.ledger.outbox import LEASE, ClaimedMessage
from proctor.settings import SinkSettings

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 16
BASE_DELAY: Final = 1.0
MAX_DELAY: Final = 3600.0
"""Seconds. 16 attempts with delays doubling from one second to an hour reach over about five hours."""
BATCH: Final = 50
IDLE: Final = 1.0
"""Seconds between two looks into the outbox when nothing was waiting."""
MAX_ANSWER: Final = 16 * 1024
"""Bytes of an answer that are read, so that the connection can be used again; beyond it is closed."""
TIMEOUT: Final = 10.0
"""Seconds for one whole attempt, whatever the receiver drips."""
_GONE: Final = 410
"""Standard Webhooks: a receiver that answers 410 wants nothing more of this; trying again would not help."""


_BUSY: Final = frozenset({408, 425, 429})
"""Answers that say something about the receiver and not about the message."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a message was not delivered."""

    why: str
    final: bool = False
    """Trying again would not help."""
    down: bool = False
    """The next message would fare no better."""


class Outbox(Protocol):
    """The outbox, as far as delivery needs it."""

    async def claim(self, limit: int) -> Sequence[ClaimedMessage]:
        """Return messages that are due, oldest first, and lease them for `outbox.LEASE`."""
        ...

    async def delivered(self, message_id: int) -> None:
        """Note that the receiver has it."""
        ...

    async def failed(self, message_id: int, next_at: datetime, *, dead: bool = False) -> None:
        """Note one failed attempt; `dead` when it was the last."""
        ...


@dataclass(frozen=True, slots=True)
class Sink:
    """A receiver with its key."""

    name: str
    url: str
    secret: bytes


def sinks(configured: Sequence[SinkSettings], environment: Mapping[str, str]) -> list[Sink]:
    """Return the receivers with their secrets from `environment`.

    Raises `SettingsError` for a missing or weak secret, a URL that is not HTTP, and a name used twice.
    """
    found: dict[str, Sink] = {}
    for sink in configured:
        tried = f"reading the sink {sink.name}"
        if sink.name in found:
            raise SettingsError(tried, "its name is used twice", "Give each sink its own name")
        url = httpx.URL(sink.url)
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            raise SettingsError(tried, "its URL is not HTTP, or holds a credential", "Write it as https://host/path")
        secret = environment.get(sink.secret_env)
        if not secret:
            raise SettingsError(tried, f"{sink.secret_env} is not set", "Set it to the secret shared with the receiver")
        found[sink.name] = Sink(sink.name, sink.url, signature.secret_bytes(secret, sink.secret_env))
    return list(found.values())


def delay(attempts: int, jitter: Callable[[], float]) -> float:
    """Return the seconds to wait after `attempts` failures: exponential, with full jitter, at least half a second.

    Full jitter spreads best: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    longest: float = min(BASE_DELAY * 2 ** min(attempts, 32), MAX_DELAY)
    return max(0.5, longest * jitter())


class Delivery:
    """Takes from the outbox and sends, until it is stopped."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        sinks: Sequence[Sink],
        now: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
        observe: Callable[[str, str], None] | None = None,
    ) -> None:
        """`observe` gets the sink's name and `delivered`, `failed` or `dead` for each attempt."""
        self._outbox = outbox
        self._sinks = {sink.name: sink for sink in sinks}
        self._now = now
        self._jitter = jitter
        self._observe = observe or (lambda _sink, _what: None)
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(TIMEOUT, connect=3.0),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": f"proctor/{__version__}", "Accept-Encoding": "identity"},
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=8),
        )

    async def run(self) -> None:
        """Deliver until cancelled. A database that does not answer is tried again; nothing is lost by it."""
        while True:
            try:
                found = await self.round()
            except EngineError as error:
                log.warning("alerts.outbox_unavailable", error=str(error))
                found = 0
            if found < BATCH:
                await asyncio.sleep(IDLE)

    async def round(self) -> int:
        """Try what is due once and return how many messages that were."""
        claimed = await self._outbox.claim(BATCH)
        by_sink: dict[str, list[ClaimedMessage]] = {}
        for one in claimed:
            by_sink.setdefault(one.message.sink, []).append(one)
        until = asyncio.get_running_loop().time() + LEASE.total_seconds() - TIMEOUT
        done = await asyncio.gather(
            *(self._to_sink(name, messages, until) for name, messages in by_sink.items()), return_exceptions=True
        )
        for error in done:
            if isinstance(error, BaseException):
                raise error
        return len(claimed)

    async def close(self) -> None:
        """Close the connections. What was not delivered waits in the outbox."""
        await self._client.aclose()

    async def _to_sink(self, name: str, messages: Sequence[ClaimedMessage], until: float) -> None:
        """Try each message, but once the receiver is down let the rest wait: that costs one time limit, not fifty."""
        down = False
        for claimed in messages:
            if asyncio.get_running_loop().time() >= until:
                return  # the lease ends and brings the rest back
            failure = _Failure("not tried, the receiver is down") if down else await self._attempt(name, claimed)
            if failure is None:
                await self._outbox.delivered(claimed.id)
                self._observe(name, "delivered")
                continue
            # Only what was really tried dies.
            dead = not down and (failure.final or claimed.attempts >= MAX_ATTEMPTS)
            down = down or failure.down
            next_at = self._now() + timedelta(seconds=delay(claimed.attempts, self._jitter))
            await self._outbox.failed(claimed.id, next_at, dead=dead)
            self._observe(name, "dead" if dead else "failed")
            log.warning(
                "alerts.dead_letter" if dead else "alerts.not_delivered",
                sink=name, message=claimed.message.dedupe_key, type=claimed.message.event_type,
                attempts=claimed.attempts, why=failure.why,
            )  # fmt: skip

    async def _attempt(self, name: str, claimed: ClaimedMessage) -> "_Failure | None":
        """Send once. Return None when the receiver has it, else why not."""
        sink, message = self._sinks.get(name), claimed.message
        if sink is None:
            return _Failure("no sink of this name is configured", down=True)
        headers = signature.headers(sink.secret, message.dedupe_key, int(time.time()), message.body)
        headers["Content-Type"] = "application/cloudevents+json; charset=UTF-8"
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._post(sink.url, headers, message.body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # The URL of a sink can carry a token, and httpx writes URLs into some messages: the type is enough.
            return _Failure(type(error).__name__, down=True)
        if 200 <= status < 300:  # noqa: PLR2004 (RFC 9110: successful)
            return None
        return _Failure(f"HTTP {status}", final=status == _GONE, down=status >= 500 or status in _BUSY)  # noqa: PLR2004

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        async with self._client.stream("POST", url, headers=headers, content=body) as response:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > MAX_ANSWER:
                    break
            return response.status_code
