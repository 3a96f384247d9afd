"""G1: every state that a power cut can leave of the node's walks, and planted mistakes that must be found."""

# Nobody else waits for the loop.
from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tests.crash.material import IMAGE
from tests.crash.model import SYNCS, Event, later, sooner, without
from tests.crash.protocols import NAMED, PROTOCOLS, copy, prepare, recovered
from tests.crash.states import BLOB, OPERATORS, Walk, explore, materialise, record
from tests.support.sizes import size

# Of so many states one is made a real directory, which the real code recovers.
EVERY = size(20_000, 2_000)
Mistake = Callable[[list[Event]], list[Event]]
FOLDER = str(PurePosixPath(BLOB).parent)
ASIDE = "blobs/quarantine"


async def walk_of(name: str, folder: Path) -> Walk:
    protocol, template = NAMED[name], folder / "template"
    await prepare(protocol, template)
    copy(template, folder / "data")
    (folder / "journals").mkdir()
    walk = await record(protocol, folder / "data", folder / "journals")
    shutil.rmtree(folder / "data")
    return walk


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [protocol.name for protocol in PROTOCOLS])
async def test_no_power_cut_breaks_a_rule(tmp_path: Path, name: str) -> None:
    walk = await walk_of(name, tmp_path)
    found = explore(walk, every=EVERY)
    print(f"{name}: {found.count} states, {len(found.samples)} of them recovered")
    assert found.violations == {}
    assert found.samples
    # Where the walk was: orders name files by their whole paths.
    data = tmp_path / "data"
    for state in found.samples:
        materialise(walk, state, tmp_path / "template", tmp_path / "journals", data)
        if (data / OPERATORS).exists() and not (data / BLOB).exists():
            # What an operator had only just written may be lost; they write it again.
            (data / OPERATORS).write_bytes(IMAGE)
        await recovered(walk.protocol, data, state.promised)
        shutil.rmtree(data)


async def test_there_are_a_million_states(tmp_path: Path) -> None:
    total = 0
    for protocol in PROTOCOLS:
        (tmp_path / protocol.name).mkdir()
        total += explore(await walk_of(protocol.name, tmp_path / protocol.name)).count
    assert total >= 1_000_000


def is_sync(event: Event) -> bool:
    return event.kind == "sync"


def publishes(event: Event) -> bool:
    return event.rows is not None and bool(event.rows.published)


def folder_of(events: list[Event]) -> str:
    """Where the image's file gets its name, which nobody knows before."""
    return next(e.target or e.path for e in events if e.path.count("/") == 3).rpartition("/")[0]


def syncs(folder: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == "sync_directory" and event.path == folder


def removes_part(event: Event) -> bool:
    return event.kind == "unlink" and event.path.startswith("parts/")


def removes_source(event: Event) -> bool:
    """What something was made of, not what was made."""
    return removes_part(event) and "-" not in event.path


def syncs_bytes(event: Event) -> bool:
    return event.kind in SYNCS


def removes_row(event: Event) -> bool:
    return event.rows is not None and not event.rows.published


MISTAKES: dict[str, tuple[str, Mistake]] = {
    "no fsync of the file": ("download", lambda e: without(e, is_sync)),
    "no fsync of an operator's file": ("adopt", lambda e: without(e, is_sync)),
    "no fsync of a copy": ("adopt-copy", lambda e: without(e, is_sync)),
    "no fsync of what replaces rot": ("replace", lambda e: without(e, is_sync)),
    "no fsync after the scrub": ("quarantine", lambda e: without(e, is_sync)),
    "an exit status for a sync": ("convert", lambda e: without(e, syncs_bytes)),
    "no fsync of what was unpacked": ("unpack", lambda e: without(e, syncs_bytes)),
    "no fsync of a converted image's name": ("convert", lambda e: without(e, syncs(folder_of(e)))),
    "no fdatasync of a part": ("download", lambda e: without(e, lambda x: x.kind == "datasync")),
    "no fsync of the folder": ("download", lambda e: without(e, syncs(FOLDER))),
    "no fsync of the folder's own entry": ("upload", lambda e: without(e, syncs("blobs/sha256"))),
    "no fsync of the parts": ("download", lambda e: without(e, syncs("parts"))),
    "no fsync after removing": ("delete", lambda e: without(e, syncs(FOLDER))),
    "no fsync of the trash's own entry": ("spare", lambda e: without(e, syncs("blobs"))),
    "row before data": ("download", lambda e: sooner(e, publishes, is_sync)),
    "row before what was converted": ("convert", lambda e: sooner(e, publishes, syncs_bytes)),
    "row before the name": ("upload", lambda e: sooner(e, publishes, syncs(FOLDER))),
    "the part goes before the row": ("download", lambda e: sooner(e, removes_part, publishes)),
    "what was packed goes before the row": ("unpack", lambda e: sooner(e, removes_source, publishes)),
    "put aside before the row goes": ("quarantine", lambda e: later(e, removes_row, syncs(ASIDE))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_found(tmp_path: Path, mistake: str) -> None:
    name, plant = MISTAKES[mistake]
    walk = await walk_of(name, tmp_path)
    planted = plant(walk.events)
    assert planted != walk.events
    assert explore(walk, planted).violations
