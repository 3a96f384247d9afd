"""The facts of a guest, read from its disk. Runs in the jail; every surprise becomes a reason."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from image_library.domain.errors import LibraryError
from image_library.domain.guest_facts import (
    GuestFacts,
    datasources_of,
    default_user_of,
    machine_of,
    merged,
    parse_os_release,
    tidy,
)
from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_disk.blocks import Blocks, FileBlocks, Slice, Unreadable
from image_library.node.adapters.guest_disk.cloud_config import read_cloud_config
from image_library.node.adapters.guest_disk.file_systems import is_read, kind_of, opened
from image_library.node.adapters.guest_disk.file_systems.tree import Tree
from image_library.node.adapters.guest_disk.partitions import Table, read_table
from image_library.node.adapters.guest_disk.qcow2_disk import Qcow2Disk

# What unpacking structures that are not what they say raises, besides Unreadable.
_DAMAGE = (struct.error, zlib.error, ArithmeticError, LookupError, ValueError, RecursionError, MemoryError)
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_MOST_OS_RELEASE = 64 << 10
# One of these is in every system; a script would tell nothing.
_PROGRAMS = ("/usr/lib/systemd/systemd", "/sbin/init", "/bin/busybox", "/bin/sh", "/usr/bin/env")
_CLOUD_INIT = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init", "/bin/cloud-init")
_CLOUD_INIT_OFF = "/etc/cloud/cloud-init.disabled"
_AGENT = (
    "/usr/sbin/qemu-ga",
    "/usr/bin/qemu-ga",
    "/usr/local/bin/qemu-ga",
    "/usr/lib/systemd/system/qemu-guest-agent.service",
    "/lib/systemd/system/qemu-guest-agent.service",
    "/etc/systemd/system/qemu-guest-agent.service",
    "/etc/init.d/qemu-guest-agent",
)
# What firmware starts when nobody told it otherwise, as in every fresh VM (UEFI 2.10, 3.5.1.1).
_LOADERS = ("BOOTX64.EFI", "BOOTAA64.EFI", "BOOTRISCV64.EFI", "BOOTIA32.EFI")
# These leave the first sector to a boot loader.
_LEAVE_ROOM = ("ext4", "btrfs")
_MOST_REASONS, _MOST_DATASOURCES = 3, 32
_T = TypeVar("_T")


@dataclass(frozen=True)
class Volume:
    """A part of a disk, or the whole, and the file system that it holds by its mark."""

    blocks: Blocks
    kind: str


class Questions:
    """Asked one by one, so that what cannot be answered takes nothing else with it."""

    def __init__(self) -> None:
        self.unanswered: list[str] = []

    def ask(self, question: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return question()
        except Unreadable as error:
            self._note(str(error))
        except LibraryError as error:
            self._note(error.message.removesuffix("."))
        except _DAMAGE:
            self._note("what it holds is damaged")
        return otherwise

    def _note(self, reason: str) -> None:
        if reason not in self.unanswered:
            self.unanswered.append(reason)

    def reason(self) -> str:
        """One sentence; empty when all was answered."""
        text = tidy("; ".join(self.unanswered[:_MOST_REASONS]))
        return f"{text[:1].upper()}{text[1:]}." if text else ""


def read_facts(descriptor: int, image_format: ImageFormat) -> GuestFacts:
    """What the open image holds. Never raises for what it holds."""
    questions = Questions()
    facts = questions.ask(lambda: _facts(_disk(descriptor, image_format), questions), GuestFacts())
    return replace(facts, reason=questions.reason())


def _disk(descriptor: int, image_format: ImageFormat) -> Blocks:
    file = FileBlocks(descriptor)
    return Qcow2Disk(file) if image_format is ImageFormat.QCOW2 else file


def _facts(disk: Blocks, questions: Questions) -> GuestFacts:
    table = questions.ask(lambda: read_table(disk), Table(partitions=(), boot_code=False))
    parts = [Slice(disk, part.start, part.size) for part in table.partitions]
    volumes = [
        Volume(blocks, kind)
        for blocks in (*parts, disk)
        if (kind := questions.ask(partial(kind_of, blocks), ""))
    ]
    firmware = questions.ask(lambda: tuple(_firmware(table, volumes, questions)), ())
    root = root_in(volumes, questions)
    if root is None:
        _explain(volumes, questions)
        return GuestFacts(firmware=firmware)
    return replace(_facts_of(root[1], questions), firmware=firmware)


def _explain(volumes: list[Volume], questions: Questions) -> None:
    foreign = sorted({volume.kind for volume in volumes if not is_read(volume.kind)})
    if foreign:
        questions.unanswered.append(f"it holds {' and '.join(foreign)}, which is not read")
    if not questions.unanswered:
        questions.unanswered.append("no operating system was found in it (no os-release)")


def _firmware(table: Table, volumes: list[Volume], questions: Questions) -> Iterator[str]:
    # A disk without partitions: its file system tells whether the first sector's code can be a boot loader.
    if table.boot_code and (table.partitions or (volumes and volumes[-1].kind in _LEAVE_ROOM)):
        yield "bios"
    for volume in volumes:
        if volume.kind == "vfat":
            held = questions.ask(lambda: trees(volume), [])  # noqa: B023
            if any(tree.file(f"/EFI/BOOT/{loader}") for tree in held for loader in _LOADERS):
                yield "uefi"
                return


def trees(volume: Volume) -> list[Tree]:
    """Raises Unreadable, and what unpacking damaged structures raises."""
    return [Tree(files) for files in opened(volume.blocks, volume.kind)]


def root_in(volumes: list[Volume], questions: Questions) -> tuple[Volume, Tree] | None:
    """The first file system that an operating system was installed into, and where it lies."""
    for volume in volumes:
        for tree in questions.ask(partial(trees, volume), []) if is_read(volume.kind) else []:
            if questions.ask(partial(_first_file, tree, _OS_RELEASE), ""):
                return volume, tree
    return None


def _first_file(tree: Tree, paths: tuple[str, ...]) -> str:
    return next((path for path in paths if tree.file(path)), "")


def _facts_of(root: Tree, questions: Questions) -> GuestFacts:
    release = questions.ask(lambda: parse_os_release(_os_release(root)), {})
    config = merged(questions.ask(lambda: read_cloud_config(root), []))
    cloud_init = questions.ask(lambda: has_cloud_init(root), False)
    return GuestFacts(
        distribution=tidy(release.get("ID", "")),
        version=tidy(release.get("VERSION_ID", "")),
        pretty_name=tidy(release.get("PRETTY_NAME", "")),
        architecture=questions.ask(lambda: _architecture(root), ""),
        default_user=tidy(default_user_of(config)) if cloud_init else "",
        cloud_init=cloud_init,
        datasources=tuple(map(tidy, datasources_of(config)[:_MOST_DATASOURCES])) if cloud_init else (),
        guest_agent=questions.ask(lambda: bool(_first_file(root, _AGENT)), False),
        root_filesystem=root.files.name,
        read=True,
    )


def _os_release(root: Tree) -> str:
    return root.whole(_first_file(root, _OS_RELEASE), _MOST_OS_RELEASE) or ""


def _architecture(root: Tree) -> str:
    return next((found for path in _PROGRAMS if (found := machine_of(root.begin(path, 20)))), "")


def has_cloud_init(root: Tree) -> bool:
    """Whether it is there and not switched off."""
    return bool(_first_file(root, _CLOUD_INIT)) and root.find(_CLOUD_INIT_OFF) is None
