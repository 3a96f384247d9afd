"""Any filter, order and page size over any images: every keeper gives what plain Python gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.controlplane.adapters.database.database import open_database
from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.records import Database
from image_library.domain.errors import InvalidRequest
from image_library.domain.image import Deprecation, Image, ImageFormat, ImagePhase, Visibility
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.paging import Order, Page, PageRequest, SortKey
from image_library.domain.trust import TrustLevel
from tests.fakes.control_values import NOW, a_copy, a_node, a_vm, an_evidence, an_image
from tests.support.postgres import Server, say

WORDS = ("debian", "Debian-12", "web_1", "a%b", "rocky")
NODES = ("node-1", "node-2")
words = st.sampled_from(WORDS)
maybe: Any = st.sampled_from((None, True, False))


def subsets(values: Any) -> Any:
    return st.frozensets(st.sampled_from(list(values)), max_size=2)


@st.composite
def images(draw: st.DrawFn) -> list[Image]:
    count = draw(st.integers(0, 9))
    return [
        an_image(
            f"image-{number}",
            name=f"{draw(words)}-{number}",
            current=draw(st.booleans()),
            hidden=draw(st.booleans()),
            protected=draw(st.booleans()),
            deprecation=draw(st.sampled_from((None, Deprecation(reason="old")))),
            project_id=draw(st.sampled_from(("p1", "p2"))),
            shared_projects=draw(st.sampled_from(((), ("p1",), ("p2", "p3")))),
            description=draw(words),
            labels=draw(st.dictionaries(st.sampled_from(("team", "tier")), words, max_size=2)),
            catalog_id=draw(st.sampled_from(("", "debian-12", "rocky-9"))),
            os=OsInfo(
                family=draw(st.sampled_from(OsFamily)),
                distribution=draw(words),
                version=draw(st.sampled_from(("", "12"))),
                architecture=draw(st.sampled_from(("x86_64", "aarch64"))),
            ),
            format=draw(st.sampled_from(ImageFormat)),
            visibility=draw(st.sampled_from(Visibility)),
            phase=draw(st.sampled_from(ImagePhase)),
            size_bytes=draw(st.integers(0, 3)),
            digest=draw(st.sampled_from(("", "sha256:" + "ab" * 32))),
            evidence=draw(
                st.sampled_from((None, an_evidence(), replace(an_evidence(), level=TrustLevel.SIGNED)))
            ),
            placements=tuple(a_copy(node) for node in draw(subsets(NODES))),
            created_at=NOW + timedelta(seconds=draw(st.integers(0, 3))),
            updated_at=NOW + timedelta(seconds=draw(st.integers(0, 3))),
        )
        for number in range(count)
    ]


filters = st.builds(
    ImageFilter,
    project_id=st.sampled_from(("", "", "p1")),
    labels=st.dictionaries(st.just("team"), words, max_size=1),
    name=st.sampled_from(("", "", "DEBIAN-1")),
    name_prefix=st.sampled_from(("", "", "deb", "WEB_", "a%")),
    name_contains=st.sampled_from(("", "", "_1", "%", "ian")),
    search=st.sampled_from(("", "", "Debian rocky", "web_")),
    distribution=st.sampled_from(("", "", "DEBIAN")),
    os_version=st.sampled_from(("", "", "12")),
    architecture=st.sampled_from(("", "", "x86_64")),
    os_families=subsets(OsFamily),
    formats=subsets(ImageFormat),
    phases=subsets(ImagePhase),
    trust_levels=subsets(TrustLevel),
    visibilities=subsets(Visibility),
    node_id=st.sampled_from(("", "", "node-1")),
    pool_id=st.sampled_from(("", "", "store-of-node-2")),
    catalog_id=st.sampled_from(("", "", "debian-12")),
    catalog_ids=subsets(("debian-12", "rocky-9")),
    of_catalog_ids=maybe,
    digest=st.sampled_from(("", "", "sha256:" + "ab" * 32)),
    in_use=maybe,
    protected=maybe,
    deprecated=maybe,
    created_after=st.sampled_from((None, None, NOW)),
    created_before=st.sampled_from((None, None, NOW + timedelta(seconds=2))),
    usable_by_project=st.sampled_from(("", "", "p1", "p3")),
    all_versions=st.booleans(),
    hidden_too=st.booleans(),
)
# Most filters together match nothing: so each example keeps a few of its own.
orders = st.builds(Order, key=st.sampled_from(SortKey), descending=st.booleans())
FIELDS = [name for name in ImageFilter.__dataclass_fields__ if name not in ("catalog_ids",)]


def narrowed(matching: ImageFilter, kept: frozenset[str]) -> ImageFilter:
    return ImageFilter(**{name: getattr(matching, name) for name in kept}, catalog_ids=matching.catalog_ids)


async def all_pages(database: Database, matching: ImageFilter, *, size: int, order: Order) -> list[str]:
    seen: list[str] = []
    page: Page[Image] | None = None
    while page is None or page.next is not None:
        request = PageRequest(size=size, order=order, after=page.next if page else None)
        async with database.read() as records:
            page = await records.images.list(matching, request)
        seen += [image.id for image in page.items]
        assert len(page.items) <= size
        assert page.total >= len(seen)
    assert page.total == len(seen)
    return seen


async def filled(database: Database, values: list[Image]) -> None:
    async with database.write() as records:
        for node in NODES:
            await records.nodes.save(a_node(node))
        for image in values:
            await records.images.save(image)
        if values:
            await records.vms.save(a_vm(image_id=values[0].id))


def sorted_by_hand(values: list[Image], order: Order) -> list[str]:
    keys: dict[SortKey, Callable[[Image], Any]] = {
        SortKey.CREATED_AT: lambda i: i.created_at,
        SortKey.UPDATED_AT: lambda i: i.updated_at,
        SortKey.NAME: lambda i: i.name.lower(),
        SortKey.SIZE_BYTES: lambda i: i.size_bytes,
    }
    ordered = sorted(values, key=lambda i: (keys[order.key](i), i.id), reverse=order.descending)
    return [image.id for image in ordered]


Opener = Callable[[], AbstractAsyncContextManager[Database]]


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest) -> Generator[Opener]:
    """Opens an empty database, for one example after the other."""
    if request.param == "memory":
        yield lambda: nullcontext(MemoryDatabase())
    elif request.param == "sqlite":
        yield _in_a_new_file
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.database() as url:
            yield lambda: _emptied(url)


@asynccontextmanager
async def _in_a_new_file() -> AsyncGenerator[Database]:
    with TemporaryDirectory() as folder:
        async with open_database(Path(folder) / "c.db") as database:
            yield database


@asynccontextmanager
async def _emptied(url: str) -> AsyncGenerator[Database]:
    async with open_database(url) as database:
        say(url, "TRUNCATE images, nodes, vms, removals CASCADE")
        yield database


@settings(max_examples=60, deadline=None)
@given(
    values=images(),
    matching=filters,
    kept=st.frozensets(st.sampled_from(FIELDS), max_size=4),
    size=st.integers(1, 4),
    order=orders,
)
def test_every_keeper_lists_what_memory_lists(
    empty: Opener, values: list[Image], matching: ImageFilter, kept: frozenset[str], size: int, order: Order
) -> None:
    matching = narrowed(matching, kept)

    async def compare() -> None:
        memory = MemoryDatabase()
        await filled(memory, values)
        async with empty() as database:
            await filled(database, values)
            expected = await all_pages(memory, matching, size=size, order=order)
            assert await all_pages(database, matching, size=size, order=order) == expected
            everything = ImageFilter(all_versions=True, hidden_too=True)
            listed = await all_pages(database, everything, size=size, order=order)
            assert listed == sorted_by_hand(values, order)

    asyncio.run(compare())


# After each page: how large a new image is, and which of the others goes.
turns = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 14)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(happenings=turns, size=st.integers(1, 4), order=orders)
def test_rows_that_come_and_go_between_pages_disturb_nobody_else(
    empty: Opener, happenings: list[tuple[int, int]], size: int, order: Order
) -> None:
    values = [an_image(f"i{n}", name=f"n{n % 3}-{n}", size_bytes=n % 3) for n in range(12)]

    async def follow() -> None:
        async with empty() as database:
            await filled(database, values)
            seen, gone = await listed_meanwhile(database, list(happenings), size=size, order=order)
        assert len(set(seen)) == len(seen)
        staying = {image.id for image in values} - gone
        assert staying <= set(seen)
        there = [image for image in values if image.id in staying]
        assert [image_id for image_id in seen if image_id in staying] == sorted_by_hand(there, order)

    asyncio.run(follow())


async def listed_meanwhile(
    database: Database, happenings: list[tuple[int, int]], *, size: int, order: Order
) -> tuple[list[str], set[str]]:
    """The ids of all pages, and of those that went while they were read."""
    seen, gone = list[str](), set[str]()
    page: Page[Image] | None = None
    while page is None or page.next is not None:
        request = PageRequest(size=size, order=order, after=page.next if page else None)
        async with database.read() as records:
            page = await records.images.list(ImageFilter(), request)
        seen += [image.id for image in page.items]
        if happenings:
            new_size, leaving = happenings.pop()
            async with database.write() as records:
                await records.images.save(an_image(f"late{len(happenings)}", size_bytes=new_size))
                await records.images.remove(f"i{leaving}")
            gone.add(f"i{leaving}")
    return seen, gone


@pytest.mark.parametrize("text", ["size", "name; drop", "name desc desc", "created_at upwards"])
def test_an_order_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be listed in the order"):
        Order.parse(text)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", Order()),
        ("name", Order(key=SortKey.NAME, descending=False)),
        ("Size_Bytes DESC", Order(key=SortKey.SIZE_BYTES)),
        ("updated_at asc", Order(key=SortKey.UPDATED_AT, descending=False)),
    ],
)
def test_orders_are_read(text: str, order: Order) -> None:
    assert Order.parse(text) == order
