"""Small files that several ask for at the same time, fetched once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from image_library.domain.errors import SizeExceeded
from image_library.domain.origin import shown_url
from image_library.domain.progress import Waiting
from image_library.node.ports.fetching import SmallFiles, Source, Tell


@dataclass
class _Page:
    """A page on its way, or here; who waits for it is told how it goes."""

    task: asyncio.Task[bytes]
    waiting: list[Tell] = field(default_factory=list[Tell])


class SharedPages:
    """Fulfils ``SmallFiles``.

    Pages, and failures, are kept for as long as somebody is within ``in_use``; then all are forgotten.
    """

    def __init__(self, files: SmallFiles) -> None:
        self._files = files
        self._pages: dict[str, _Page] = {}
        self._users = 0

    @contextmanager
    def in_use(self) -> Generator[None]:
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                for page in self._pages.values():
                    page.task.cancel()
                self._pages.clear()

    async def read_small(self, source: Source, *, limit: int, waiting: Tell) -> bytes:
        """As ``SmallFiles.read_small``; the first to ask decides how."""
        page = self._pages.get(source.url) or self._begun(source, limit)
        page.waiting.append(waiting)
        try:
            content = await asyncio.shield(page.task)
        finally:
            page.waiting.remove(waiting)
        if len(content) > limit:
            raise SizeExceeded(f"{shown_url(source.url)} has more than the {limit} bytes that it may have.")
        return content

    def _begun(self, source: Source, limit: int) -> _Page:
        def tell(what: Waiting) -> None:
            for waiting in page.waiting:
                waiting(what)

        task = asyncio.create_task(self._files.read_small(source, limit=limit, waiting=tell))
        # One that failed after everybody has left is nobody's concern.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        page = self._pages[source.url] = _Page(task)
        return page
