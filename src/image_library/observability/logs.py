"""Logs: one constant event name and fields each, to stderr, for people or as one JSON document a line."""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

LogForm = Literal["console", "json"]


def set_up_logs(form: LogForm = "console", *, verbose: bool = False, to: TextIO | None = None) -> None:
    """Decide once, at a program's start, how it logs.

    Libraries that log through ``logging`` are heard from warnings upward.
    """
    stream = to or sys.stderr
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(form, colours=stream.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def _rendering(form: LogForm, *, colours: bool) -> list[Processor]:
    # Never with local variables: tokens are among them.
    if form == "json":
        plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(plain), structlog.processors.JSONRenderer()]
    renderer = structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback
    )
    return [renderer]
