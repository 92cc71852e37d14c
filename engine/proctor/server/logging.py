"""Logs on stderr: readable in a terminal, JSON elsewhere. Secrets never get into them.

Redaction is the last step before rendering and looks at names and at values, tracebacks included, because a secret
that is logged by mistake does not announce itself.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

_HIDDEN: Final = "[hidden]"
_NAMES: Final = re.compile(
    r"authorization|cookie|passw|passphrase|pepper|secret|token|credentials?$|(^|[_-])(api)?[_-]?key$|database_url",
    re.IGNORECASE,
)
_VALUES: Final = (
    (re.compile(r"(prk_[a-z2-7]{8})_[A-Za-z0-9_-]{8,}"), r"\1_" + _HIDDEN),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), f"whsec_{_HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 " + _HIDDEN),
    (re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)"), _HIDDEN),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@"), r"\1:" + _HIDDEN + "@"),
)
_MAX_DEPTH: Final = 6


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide secrets by the name of their field and by what they look like. A structlog processor."""
    return {name: _HIDDEN if _NAMES.search(name) and value else clean(value) for name, value in event.items()}


def clean(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """Return `value` without anything that looks like a secret, to the depth of six levels and no deeper."""
    if isinstance(value, str):
        for pattern, replacement in _VALUES:
            value = pattern.sub(replacement, value)
        return value
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth <= 0:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(name): _HIDDEN if _NAMES.search(str(name)) and item else clean(item, depth - 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, depth - 1) for item in value]
    return clean(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value), depth)


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send all logs of this process to `stream` (default: stderr), those of libraries as well."""
    target = sys.stderr if stream is None else stream
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # The traceback is made a text before redaction. Local variables would be the shortest way for a secret out.
    if target.isatty():
        render: list[Any] = [structlog.processors.format_exc_info, redact, structlog.dev.ConsoleRenderer(colors=False)]
    else:
        render = [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer(default=str)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # These write one line for each request or statement, with URLs and parameters.
    for name in ("httpx", "httpcore", "aiohttp.access", "uvicorn.access", "sqlalchemy", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
