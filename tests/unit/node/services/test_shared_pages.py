"""Pages that several ask for at the same time are fetched once, and forgotten afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from image_library.domain.errors import SizeExceeded, SourceNotFound
from image_library.domain.progress import Waiting
from image_library.node.ports.fetching import Source, Tell
from image_library.node.services.shared_pages import SharedPages


@dataclass
class Files:
    """Fulfils ``SmallFiles``; what is not here is not found."""

    pages: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[str] = field(default_factory=list[str])
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def read_small(self, source: Source, *, limit: int, waiting: Tell) -> bytes:
        self.asked.append(source.url)
        waiting(Waiting(what="its turn"))
        await self.ready.wait()
        if source.url not in self.pages:
            raise SourceNotFound(f"{source.url} is not there.")
        return self.pages[source.url]


async def read(pages: SharedPages, url: str, *, limit: int = 100, heard: list[str] | None = None) -> bytes:
    told = heard if heard is not None else []
    with pages.in_use():
        return await pages.read_small(
            Source(url=url), limit=limit, waiting=lambda what: told.append(what.what)
        )


async def test_two_who_ask_at_once_share_one_fetch_and_both_are_told() -> None:
    files = Files({"a": b"page"})
    pages, heard = SharedPages(files), [list[str](), list[str]()]
    both = [asyncio.create_task(read(pages, "a", heard=one)) for one in heard]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    files.ready.set()
    assert await asyncio.gather(*both) == [b"page", b"page"]
    assert (files.asked, heard) == (["a"], [["its turn"], ["its turn"]])


async def test_a_page_is_kept_for_as_long_as_somebody_asks() -> None:
    files = Files({"a": b"page"})
    files.ready.set()
    pages = SharedPages(files)
    with pages.in_use():
        await read(pages, "a")
        await read(pages, "a")
        assert files.asked == ["a"]
    await read(pages, "a")
    assert files.asked == ["a", "a"]


async def test_a_failure_is_shared_as_well() -> None:
    files = Files()
    files.ready.set()
    pages = SharedPages(files)
    with pages.in_use():
        for _ in range(2):
            with pytest.raises(SourceNotFound):
                await read(pages, "a")
    assert files.asked == ["a"]


async def test_one_who_leaves_does_not_take_the_page_along() -> None:
    files = Files({"a": b"page"})
    pages = SharedPages(files)
    first, second = (asyncio.create_task(read(pages, "a")) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    files.ready.set()
    assert await second == b"page"
    assert files.asked == ["a"]


async def test_the_last_one_who_leaves_ends_the_fetch() -> None:
    files = Files({"a": b"page"})
    pages = SharedPages(files)
    only = asyncio.create_task(read(pages, "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    only.cancel()
    await asyncio.gather(only, return_exceptions=True)
    files.ready.set()
    assert await read(pages, "a") == b"page"
    assert files.asked == ["a", "a"]


async def test_each_has_its_own_limit() -> None:
    files = Files({"a": b"page"})
    files.ready.set()
    pages = SharedPages(files)
    with pages.in_use():
        assert await read(pages, "a") == b"page"
        with pytest.raises(SizeExceeded):
            await read(pages, "a", limit=3)
