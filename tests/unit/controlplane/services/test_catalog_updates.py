"""A catalogue from a signed file: what is taken, and the attacks that TUF names, which change nothing.

The classes are those of https://theupdateframework.io/docs/security/.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.catalog_files import NAME, CatalogFile, CatalogFiles
from image_library.controlplane.adapters.ed25519 import verify
from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.services.catalog_updates import CatalogRules, CatalogUpdates, Parts
from image_library.domain.catalog import Catalog
from image_library.domain.errors import (
    CatalogRollback,
    CatalogStale,
    CatalogUnsigned,
    InvalidCatalog,
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    NoNodeReady,
    NotImplementedYet,
    SizeExceeded,
    SourceStalled,
)
from image_library.domain.node import Node
from image_library.domain.signed_catalog import MAX_CATALOG_BYTES, MAX_SIGNATURES_BYTES, CatalogAge
from tests.fakes.control_clock import ManualClock
from tests.fakes.control_values import a_node
from tests.support.openpgp import Publisher
from tests.support.signed_catalog import CatalogKey, catalog

KEY, NEXT_KEY, STRANGER = CatalogKey(), CatalogKey(), CatalogKey()
URL = "https://catalog.example.org/images.toml"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
Answer = bytes | LibraryError


class SleepyClock(ManualClock):
    """Tells when somebody waits for it."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._asleep.set()
        await super().sleep(seconds)

    async def slept(self) -> None:
        await self._asleep.wait()
        self._asleep.clear()


class Nodes:
    """Fulfils ``SmallFilesOfNodes`` with what a publisher's server, or whoever stands in for it, says."""

    def __init__(self) -> None:
        self.says: dict[str, Answer] = {}
        self.asked: list[tuple[str, str, int]] = []

    async def read(self, node: Node, url: str, *, limit: int) -> bytes:
        self.asked.append((node.id, url, limit))
        answer = self.says.get(f"{node.id} {url}", self.says.get(url, NoNodeReady("Nothing.")))
        if isinstance(answer, LibraryError):
            raise answer
        return answer


@dataclass
class Place:
    """A control plane's catalogue, which survives restarts in its data directory."""

    data_dir: Path
    clock: SleepyClock
    nodes: Nodes
    database: MemoryDatabase
    catalog: Catalog
    updates: CatalogUpdates

    @classmethod
    async def begin(
        cls,
        data_dir: Path,
        *,
        keys: tuple[CatalogKey, ...] = (KEY,),
        url: str = URL,
        extra: Path | None = None,
        now: datetime = NOW,
    ) -> Place:
        clock, nodes, database = SleepyClock(now), Nodes(), MemoryDatabase()
        offered = load_catalog(extra)
        parts = Parts(
            catalog=offered,
            store=CatalogFile(data_dir),
            reader=CatalogFiles(extra),
            verify=verify,
            files=nodes,
            database=database,
            clock=clock,
            rules=CatalogRules(keys=tuple(key.public for key in keys), url=url),
        )
        updates = CatalogUpdates(parts)
        await updates.resume()
        async with database.write() as records:
            await records.nodes.save(a_node("node-1"))
            await records.nodes.save(a_node("node-2"))
        return cls(data_dir, clock, nodes, database, offered, updates)

    async def offer(self, content: bytes, signatures: bytes | None = None) -> None:
        await self.updates.refresh(content, KEY.sign(content) if signatures is None else signatures)

    async def refused(
        self, kind: type[LibraryError], content: bytes, signatures: bytes | None = None
    ) -> LibraryError:
        """The refusal; the catalogue that was in use is in use, here and after a restart."""
        before, held = self.catalog.entries, self.updates.state().terms
        with pytest.raises(kind) as refused:
            await self.offer(content, signatures)
        assert self.catalog.entries == before
        state = self.updates.state()
        assert state.terms == held
        assert state.failure is not None
        assert state.failure.code == refused.value.code
        again = await Place.begin(self.data_dir)
        assert (again.updates.state().terms, again.catalog.ids) == (held, self.catalog.ids)
        return refused.value

    @property
    def version(self) -> int:
        terms = self.updates.state().terms
        return terms.version if terms else 0

    @property
    def name(self) -> str:
        entry = self.catalog.find("ours")
        return entry.name if entry else ""


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """Version 5 is in use."""
    made = await Place.begin(tmp_path)
    await made.offer(catalog(5, name="Five"))
    return made


class TestWhatIsTaken:
    async def test_a_signed_catalog_is_laid_over_the_shipped_one(self, place: Place) -> None:
        shipped = load_catalog().ids
        assert place.catalog.ids == (*shipped, "ours")
        assert (place.version, place.name) == (5, "Five")

    async def test_a_newer_one_takes_its_place_and_survives_a_restart(self, place: Place) -> None:
        await place.offer(catalog(6, name="Six"))
        again = await Place.begin(place.data_dir)
        assert (again.version, again.name) == (6, "Six")

    async def test_versions_may_be_left_out(self, place: Place) -> None:
        await place.offer(catalog(900, name="Later"))
        assert place.version == 900

    async def test_the_same_one_again_changes_nothing(self, place: Place) -> None:
        await place.offer(catalog(5, name="Five"))
        assert (place.version, place.updates.state().failure) == (5, None)

    async def test_what_it_leaves_out_is_gone(self, place: Place) -> None:
        await place.offer(catalog(6, catalog_id="others"))
        assert place.catalog.find("ours") is None
        assert place.catalog.find("others") is not None

    async def test_an_operators_own_file_counts_before_it(self, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        own.write_bytes(catalog(name="Own").split(b"\n", 3)[3])
        place = await Place.begin(tmp_path, extra=own)
        await place.offer(catalog(5, name="Five"))
        assert place.name == "Own"

    async def test_it_brings_publishers_keys(self, place: Place) -> None:
        pinned = Publisher().key
        named = f'fingerprint = "{pinned.fingerprint}"\nowner = "New"\narmored = """{pinned.armored}"""\n'
        demanded = f'signature_kind = "clearsigned"\nsigning_keys = ["{pinned.fingerprint}"]\n'
        content = catalog(6, more=f"[[key]]\n{named}").replace(
            b"checksum_algorithm", demanded.encode() + b"checksum_algorithm"
        )
        await place.offer(content)
        entry = place.catalog.find("ours")
        assert entry is not None
        assert entry.variants[0].signature is not None
        assert entry.variants[0].signature.keys[0].armored.strip() == pinned.armored.strip()

    async def test_it_is_fetched_through_a_node(self, place: Place) -> None:
        six = catalog(6, name="Six")
        place.nodes.says = {URL: six, f"{URL}.sig": KEY.sign(six)}
        await place.updates.refresh()
        assert place.version == 6
        assert place.nodes.asked == [
            ("node-2", URL, MAX_CATALOG_BYTES),
            ("node-2", f"{URL}.sig", MAX_SIGNATURES_BYTES),
        ]

    @pytest.mark.parametrize("why", [NodeUnreachable("Away."), NotImplementedYet("Old.")])
    async def test_another_node_is_asked_where_one_cannot(self, place: Place, why: LibraryError) -> None:
        six = catalog(6)
        place.nodes.says = {f"node-2 {URL}": why, URL: six, f"{URL}.sig": KEY.sign(six)}
        await place.updates.refresh()
        assert place.version == 6

    async def test_it_is_looked_for_from_time_to_time(self, place: Place) -> None:
        six = catalog(6)
        place.nodes.says = {URL: six, f"{URL}.sig": KEY.sign(six)}
        task = asyncio.create_task(place.updates.run(24))
        await place.clock.slept()
        await place.clock.advance(300)
        await place.clock.slept()
        assert place.version == 6
        place.nodes.says = {URL: SourceStalled("Slow.")}
        await place.clock.advance(24 * 3600)
        await place.clock.slept()
        task.cancel()
        state = place.updates.state()
        assert (place.version, state.failure and state.failure.code) == (6, "import.stalled")


class TestArbitraryContent:
    """Software that nobody has signed."""

    async def test_unsigned(self, place: Place) -> None:
        await place.refused(CatalogUnsigned, catalog(6), b"")

    async def test_signed_by_a_stranger(self, place: Place) -> None:
        await place.refused(CatalogUnsigned, catalog(6), STRANGER.sign(catalog(6)))

    async def test_signed_by_a_stranger_under_our_keys_name(self, place: Place) -> None:
        forged = STRANGER.sign(catalog(6)).split(b" ")[1]
        ours = KEY.sign(catalog(6)).split(b" ")[0]
        await place.refused(CatalogUnsigned, catalog(6), ours + b" " + forged)

    @pytest.mark.parametrize("place_of_bit", [0, 17, -1])
    async def test_one_bit_changed(self, place: Place, place_of_bit: int) -> None:
        six = bytearray(catalog(6))
        six[place_of_bit] ^= 1
        await place.refused(CatalogUnsigned, bytes(six), KEY.sign(catalog(6)))

    async def test_cut_off(self, place: Place) -> None:
        await place.refused(CatalogUnsigned, catalog(6)[:-1], KEY.sign(catalog(6)))

    async def test_something_behind_it(self, place: Place) -> None:
        await place.refused(CatalogUnsigned, catalog(6) + b"\n", KEY.sign(catalog(6)))

    async def test_a_signature_that_was_made_for_something_else(self, place: Place) -> None:
        await place.refused(CatalogUnsigned, catalog(6), KEY.sign_plain(catalog(6)))

    @pytest.mark.parametrize(
        "junk", [b"<html>", b"\xff\xfe", b"0" * 16 + b" " + b"A" * 86 + b"==", b"a b\n" * 30]
    )
    async def test_a_signature_that_is_none(self, place: Place, junk: bytes) -> None:
        await place.refused(CatalogUnsigned, catalog(6), junk)

    async def test_unsigned_content_is_not_even_read(self, place: Place) -> None:
        """What would be an error of its own, if anybody looked."""
        await place.refused(CatalogUnsigned, b"this is [ no TOML", KEY.sign(catalog(6)))


class TestRollback:
    @pytest.mark.parametrize("version", [1, 4])
    async def test_an_older_version(self, place: Place, version: int) -> None:
        error = await place.refused(CatalogRollback, catalog(version))
        assert "version 5 is in use" in error.message

    async def test_the_same_version_with_another_content(self, place: Place) -> None:
        await place.refused(CatalogRollback, catalog(5, name="Another"))

    async def test_an_older_version_after_a_restart(self, place: Place) -> None:
        again = await Place.begin(place.data_dir)
        await again.refused(CatalogRollback, catalog(4))

    async def test_the_only_one_before_what_the_program_brought(self, tmp_path: Path) -> None:
        place = await Place.begin(tmp_path)
        await place.refused(CatalogRollback, catalog(9, written=date(2026, 11, 24)))

    async def test_a_newer_program_is_not_rolled_back_by_what_was_kept(self, place: Place) -> None:
        """As after an update: what is kept was written before the catalogue that is shipped now."""
        reader = CatalogFiles(None)
        reader.shipped_on = date(2026, 12, 24)
        updates = CatalogUpdates(
            Parts(
                catalog=load_catalog(),
                store=CatalogFile(place.data_dir),
                reader=reader,
                verify=verify,
                files=place.nodes,
                database=place.database,
                clock=place.clock,
                rules=CatalogRules(keys=(KEY.public,)),
            )
        )
        await updates.resume()
        assert updates.state().terms is None


class TestFreeze:
    async def test_an_expired_one(self, place: Place) -> None:
        place.clock.jump(days=200)
        await place.refused(CatalogStale, catalog(6))

    @pytest.mark.parametrize(("day", "taken"), [(0, True), (1, False)])
    async def test_the_last_day_counts(self, place: Place, day: int, taken: bool) -> None:
        six = catalog(6)
        last = datetime(2027, 3, 5, 23, 59, tzinfo=UTC) + timedelta(days=day)
        there = await Place.begin(place.data_dir, now=last)
        if taken:
            await there.offer(six)
            assert there.version == 6
        else:
            await there.refused(CatalogStale, six)

    @pytest.mark.parametrize(
        ("day", "age"),
        [
            (date(2027, 2, 12), CatalogAge.FRESH),
            (date(2027, 2, 13), CatalogAge.AGEING),
            (date(2027, 3, 5), CatalogAge.AGEING),
            (date(2027, 3, 6), CatalogAge.STALE),
        ],
    )
    async def test_one_that_stays_the_newest_is_warned_of(
        self, place: Place, day: date, age: CatalogAge
    ) -> None:
        """79, 80, 100 and 101 of its hundred days; in use it stays all the same."""
        then = datetime(day.year, day.month, day.day, tzinfo=UTC)
        there = await Place.begin(place.data_dir, now=then)
        state = there.updates.state()
        assert (state.age, there.name) == (age, "Five")
        assert bool(state.warning) == (age is not CatalogAge.FRESH)

    async def test_the_same_one_again_does_not_make_it_younger(self, place: Place) -> None:
        place.clock.jump(days=95)
        await place.offer(catalog(5, name="Five"))
        assert place.updates.state().age is CatalogAge.AGEING

    async def test_nobody_may_sign_for_ever(self, place: Place) -> None:
        await place.refused(InvalidCatalog, catalog(6, expires=date(2030, 1, 1)))


class TestEndlessData:
    @pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
    async def test_a_catalog_that_is_too_large(self, place: Place, more: int, taken: bool) -> None:
        six = catalog(6)
        six += b"#" * (MAX_CATALOG_BYTES - len(six) + more)
        if taken:
            await place.offer(six)
            assert place.version == 6
        else:
            await place.refused(InvalidCatalog, six)

    async def test_signatures_that_are_too_large(self, place: Place) -> None:
        six = catalog(6)
        await place.refused(InvalidCatalog, six, KEY.sign(six) + b"\n" * MAX_SIGNATURES_BYTES)

    async def test_a_source_without_end(self, place: Place) -> None:
        place.nodes.says = {URL: SizeExceeded("It goes on.")}
        await place.refused(SizeExceeded, b"", b"")


class TestMixAndMatch:
    async def test_the_signature_of_another_version(self, place: Place) -> None:
        await place.refused(CatalogUnsigned, catalog(7), KEY.sign(catalog(6)))

    async def test_signature_and_content_are_kept_in_one_file(self, place: Place) -> None:
        kept = json.loads((place.data_dir / NAME).read_bytes())
        assert set(kept) == {"content", "signatures"}
        assert (place.data_dir / NAME).stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"content": 1, "signatures": 2}', b"\xff"])
    async def test_what_was_kept_is_damaged(self, place: Place, damage: bytes) -> None:
        (place.data_dir / NAME).write_bytes(damage)
        again = await Place.begin(place.data_dir)
        assert (again.version, again.catalog.ids) == (0, load_catalog().ids)

    async def test_what_was_kept_is_replaced_by_something_unsigned(self, place: Place) -> None:
        other = await Place.begin(place.data_dir, keys=(STRANGER,))
        await other.offer(catalog(9, name="Foreign"), STRANGER.sign(catalog(9, name="Foreign")))
        again = await Place.begin(place.data_dir)
        assert (again.version, again.name) == (0, "")


class TestExtraneousContent:
    @pytest.mark.parametrize(
        "content",
        [
            catalog(6, more="root = true\n"),
            catalog(6).replace(b"default_user", b"default_usr"),
            catalog(6).replace(b"https://images", b"file://images"),
            catalog(6) + catalog(6).split(b"\n", 3)[3],
            catalog(6).replace(b"version = 6\n", b""),
            catalog(6).replace(b"version = 6\n", b"version = true\n"),
            catalog(6).replace(b"version = 6\n", b"version = -6\n"),
            catalog(6).replace(b"written = 2026-11-25\n", b""),
            catalog(6).replace(b"expires = 2027-03-05\n", b'expires = "never"\n'),
            catalog(6, written=date(2027, 3, 5)),
            b"\xff",
            b"version = [",
        ],
        ids=range(12),
    )
    async def test_one_wrong_field_and_nothing_is_used(self, place: Place, content: bytes) -> None:
        await place.refused(InvalidCatalog, content)


class TestKeys:
    async def test_no_key_no_catalog(self, tmp_path: Path) -> None:
        place = await Place.begin(tmp_path, keys=())
        with pytest.raises(InvalidRequest, match="catalog_keys"):
            await place.offer(catalog(6))

    async def test_while_keys_change_either_is_enough(self, place: Place) -> None:
        both = await Place.begin(place.data_dir, keys=(KEY, NEXT_KEY))
        assert both.version == 5
        six, seven, eight = catalog(6), catalog(7), catalog(8)
        await both.offer(six, NEXT_KEY.sign(six))
        await both.offer(seven, KEY.sign(seven))
        await both.offer(eight, STRANGER.sign(eight) + NEXT_KEY.sign(eight))
        assert both.version == 8

    async def test_a_valid_signature_counts_beside_a_broken_one(self, place: Place) -> None:
        both = await Place.begin(place.data_dir, keys=(KEY, NEXT_KEY))
        six = catalog(6)
        await both.offer(six, KEY.sign(b"else") + NEXT_KEY.sign(six))
        assert both.version == 6

    async def test_a_key_that_was_taken_out_signs_nothing_any_more(self, place: Place) -> None:
        after = await Place.begin(place.data_dir, keys=(NEXT_KEY,))
        assert after.version == 0
        with pytest.raises(CatalogUnsigned):
            await after.offer(catalog(6))

    async def test_whoever_had_a_stolen_key_cannot_block_what_follows(self, place: Place) -> None:
        """Fast-forward: a huge version by the old key is forgotten with the key."""
        await place.offer(catalog(4_000_000_000))
        after = await Place.begin(place.data_dir, keys=(NEXT_KEY,))
        six = catalog(6)
        await after.offer(six, NEXT_KEY.sign(six))
        assert after.version == 6


class TestSlowAndAway:
    async def test_a_slow_source(self, place: Place) -> None:
        place.nodes.says = {URL: SourceStalled("Too slow.")}
        await place.refused(SourceStalled, b"", b"")

    async def test_the_signature_does_not_come(self, place: Place) -> None:
        place.nodes.says = {URL: catalog(6), f"{URL}.sig": SourceStalled("Too slow.")}
        await place.refused(SourceStalled, b"", b"")

    async def test_no_node(self, place: Place) -> None:
        place.nodes.says = {URL: NodeUnreachable("Away.")}
        await place.refused(NodeUnreachable, b"", b"")

    async def test_nowhere_to_look(self, tmp_path: Path) -> None:
        place = await Place.begin(tmp_path, url="")
        with pytest.raises(InvalidRequest, match="catalog_url"):
            await place.updates.refresh()

    async def test_a_disk_that_does_not_keep_it_changes_nothing(self, place: Place) -> None:
        (place.data_dir / NAME).unlink()
        (place.data_dir / NAME).mkdir()
        with pytest.raises(LibraryError) as refused:
            await place.offer(catalog(6, name="Six"))
        assert refused.value.code == "storage.not_writable"
        assert (place.version, place.name) == (5, "Five")
