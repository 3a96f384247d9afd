"""What makes a guest this one guest, looked for on its disk by the table of marks. Runs in the jail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from image_library.domain.generalisation import ANYTHING, MARKS, GuestAudit, Mark, Trace
from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_disk.blocks import Blocks, FileBlocks, Slice, Unreadable
from image_library.node.adapters.guest_disk.file_systems import is_read, kind_of
from image_library.node.adapters.guest_disk.file_systems.tree import Kind, Node, Tree
from image_library.node.adapters.guest_disk.partitions import read_table
from image_library.node.adapters.guest_disk.qcow2_disk import Qcow2Disk
from image_library.node.adapters.guest_disk.reading import Questions, Volume, has_cloud_init, root_in, trees

# What a journal's worth of files cannot reach; more is no guest that anybody would make a template of.
_MOST_TRACES = 50_000
_MOST_DEPTH = 32
# Of a file's beginning.
_MOST_LOOKED_AT = 64 << 10
# Reading the names of a whole tree takes more than reading the facts of a system.
MOST_READ = 1 << 30
# At the top of a file system that holds a boot loader's files, and nothing of a guest's own.
_BOOT = ("grub", "grub2", "loader", "vmlinuz*", "EFI", "efi")
_SEEN_TOO = ("vfat", "")


def read_traces(chain: tuple[tuple[int, ImageFormat], ...]) -> GuestAudit:
    """What the disk holds that the open files show, the uppermost first. Never raises for what it holds."""
    questions = Questions()
    audit = questions.ask(lambda: _audit(_disk(chain), questions), GuestAudit())
    reason = questions.reason()
    return replace(audit, reason=reason)


def _disk(chain: tuple[tuple[int, ImageFormat], ...]) -> Blocks:
    (descriptor, image_format), *below = chain
    file = FileBlocks(descriptor, most=MOST_READ)
    if image_format is not ImageFormat.QCOW2:
        return file
    return Qcow2Disk(file, backing=_disk(tuple(below)) if below else None)


def _audit(disk: Blocks, questions: Questions) -> GuestAudit:
    table = read_table(disk)
    places = [(part.start, Slice(disk, part.start, part.size)) for part in table.partitions]
    volumes = [
        (start, Volume(blocks, kind))
        for start, blocks in (*places, (0, disk))
        if (kind := questions.ask(lambda: kind_of(blocks), ""))  # noqa: B023
    ]
    root = root_in([volume for _, volume in volumes], questions)
    if root is None:
        return GuestAudit()
    volume, tree = root
    others = [other for _, other in volumes if other is not volume]
    return GuestAudit(
        file_system=tree.files.name,
        offset=next(start for start, there in volumes if there is volume),
        traces=tuple(_traces(tree)),
        cloud_init=has_cloud_init(tree),
        unseen=sum(not _only_boots(other, questions) for other in others),
    )


def _only_boots(volume: Volume, questions: Questions) -> bool:
    """Whether the volume is no place for what guests keep of themselves."""
    if volume.kind in _SEEN_TOO:
        return True
    if not is_read(volume.kind):
        return False
    names = questions.ask(lambda: [name for tree in trees(volume) for name in tree.names("/")], [])
    return any(fnmatchcase(name, pattern) for name in names for pattern in _BOOT)


def _traces(tree: Tree) -> Iterator[Trace]:
    seen: set[str] = set()
    for mark in MARKS:
        for path, node in _meant(tree, mark):
            if path not in seen and _counts(tree, mark, node):
                seen.add(path)
                if len(seen) > _MOST_TRACES:
                    raise Unreadable("it holds too much of its own")
                yield Trace(code=mark.code, path=path, kind=node.kind.value)


def _counts(tree: Tree, mark: Mark, node: Node) -> bool:
    if not mark.holds:
        return True
    if node.kind is not Kind.FILE:
        return False
    most = 1 if mark.holds == ANYTHING else _MOST_LOOKED_AT
    beginning = tree.files.content(node, min(node.size, most)).decode(errors="replace")
    return re.search(mark.holds, beginning, re.MULTILINE | re.DOTALL) is not None


def _meant(tree: Tree, mark: Mark) -> Iterator[tuple[str, Node]]:
    for pattern in mark.paths:
        yield from _matching(tree, "", pattern.strip("/").split("/"))


def _matching(tree: Tree, folder: str, parts: list[str]) -> Iterator[tuple[str, Node]]:
    part, *more = parts
    if part == "**":
        yield from _below(tree, folder, _MOST_DEPTH)
        return
    wild = "*" in part or "?" in part
    names = [name for name in _names(tree, folder or "/") if fnmatchcase(name, part)] if wild else [part]
    for name in names:
        path = f"{folder}/{name}"
        if more:
            yield from _matching(tree, path, more)
        elif (node := tree.there(path)) is not None and node.kind is not Kind.FOLDER:
            yield path, node


def _below(tree: Tree, folder: str, depth: int) -> Iterator[tuple[str, Node]]:
    """All that is in a folder, a folder after what it holds; links are not followed."""
    if not depth:
        raise Unreadable("its folders lie too deep in each other")
    for name in _names(tree, folder):
        path = f"{folder}/{name}"
        node = tree.there(path)
        if node is not None:
            if node.kind is Kind.FOLDER:
                yield from _below(tree, path, depth - 1)
            yield path, node


def _names(tree: Tree, folder: str) -> list[str]:
    return [name for name in tree.names(folder) if name not in (".", "..")]
