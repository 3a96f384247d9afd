"""Logs: one constant event name and fields each, to stderr, for people or as one JSON document a line."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from image_library.domain.errors import printable

_LONGEST = 1000


def set_up_logs(form: str) -> None:
    """Decide once, at a program's start, how it logs: ``form`` is "console" or "json".

    Libraries that log through ``logging`` are heard from warnings upward.
    """
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(form),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering(form: str) -> list[Processor]:
    # Never with local variables: tokens are among them.
    if form == "json":
        plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(plain), structlog.processors.JSONRenderer()]
    return [
        _harmless,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What a guest or a publisher wrote must not steer the terminal that shows it."""
    return {key: printable(v, _LONGEST) if isinstance(v, str) else v for key, v in event.items()}
