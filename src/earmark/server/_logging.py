"""Logs of a process: one form for all loggers, and nothing in them that is nobody's business."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from earmark.settings import Settings

__all__ = ["configure_logging"]

_ELSEWHERE = ("alembic", "dbos", "uvicorn", "uvicorn.access", "uvicorn.error")
"""Loggers of packages that would otherwise write in a form of their own."""

_QUIET = (
    *("alembic", "asyncio", "botocore", "grpc", "httpcore", "httpx", "python_multipart"),
    *("sqlalchemy", "urllib3", "uvicorn", "websockets"),
)
"""Loggers that tell of paths, addresses and names at their lower levels: only warnings pass."""

_TOKEN = re.compile(r"em_[0-9A-Za-z]{8,}")
_URL = re.compile(r"\b([a-z][a-z0-9+]{0,20}://)(?:[^/\s\"'@]*@)?([^/?#\s\"'<>]*)[^\s\"'<>]*", re.I)
_HOSTED = ("http://", "https://", "ws://", "wss://", "postgresql://", "redis://", "s3://", "gs://")


def configure_logging(settings: Settings) -> None:
    """Send what is logged to standard error, one JSON object or one line of text per event.

    What came with the request or job at hand (``request_id``, ``job_id`` …) is added from
    structlog's context variables. Keys, and all of an address after its host, are taken out
    whoever logs them.
    """
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    renderer: list[structlog.types.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # without local variables
            )
        ]
        if as_text
        else [structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    for name in _ELSEWHERE:
        logger = logging.getLogger(name)
        # A handler is left in place: DBOS adds one of its own where there is none.
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
    # What an application raises is logged with its request's ids by `RequestLog`.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: not record.getMessage().startswith("Exception in ASGI application")
    )


def _redact(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _URL.sub(_cut, _TOKEN.sub("em_…", value))
    return event


def _cut(url: re.Match[str]) -> str:
    """The address without what comes after its host; of other schemes nothing but the scheme."""
    return f"{url[1]}{url[2]}/…" if url[1].lower() in _HOSTED else f"{url[1]}…"
