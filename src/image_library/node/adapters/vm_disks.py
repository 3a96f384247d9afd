"""VMs' disks, read for templates: in the jail, with the whole chain said, so that no header adds to it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from image_library.domain.conversion import DiskInside
from image_library.domain.errors import HypervisorFailed, JailedProgramDied, printable
from image_library.domain.generalisation import GuestAudit, Trace
from image_library.domain.guest_facts import tidy
from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_inspector import CODE, PLACES
from image_library.node.adapters.jail import Jail, JailLimits
from image_library.node.adapters.qemu_img.images import CONVERT
from image_library.node.adapters.qemu_img.program import (
    LOOK,
    QemuImgProgram,
    alone,
    chain,
    name_of,
    opened,
    patient,
    tell_share,
)
from image_library.node.ports.capturing import DiskFile, VmDisk

_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from image_library.node.adapters.guest_disk.program import audit; audit()"
)
AUDIT = JailLimits(
    wall_seconds=120.0, cpu_seconds=60, memory=1 << 30, descriptors=32, processes=0, output=16 << 20
)


@dataclass(frozen=True, kw_only=True)
class _Opened:
    descriptors: tuple[int, ...]
    # For qemu-img.
    name: str


class JailedVmDisks:
    """``search_path`` is where qemu-img is looked for (None: as PATH says)."""

    def __init__(self, jail: Jail, *, search_path: str | None = None) -> None:
        self._jail = jail
        self._program = QemuImgProgram(jail, search_path=search_path)

    async def audit(self, disk: VmDisk) -> GuestAudit:
        async with _opened(disk) as there:
            return await self._audit(there.descriptors, [file.format for file in disk])

    async def audit_copy(self, descriptor: int) -> GuestAudit:
        return await self._audit((descriptor,), [ImageFormat.RAW])

    async def _audit(self, descriptors: Sequence[int], formats: Sequence[ImageFormat]) -> GuestAudit:
        words = [w for d, f in zip(descriptors, formats, strict=True) for w in (str(d), f.value)]
        argv = (sys.executable, "-I", "-c", _START, CODE, *words)
        ended = await self._jail.run(argv, limits=AUDIT, readable=tuple(descriptors), places=PLACES)
        if ended.status != 0:
            said = ended.said.decode(errors="replace").strip().rpartition("\n")[2]
            raise JailedProgramDied(f"The disk's reader failed: {printable(said) or 'it gave no reason'}.")
        return _audited(ended.output)

    async def measure(self, disk: VmDisk) -> int:
        async with _opened(disk) as there:
            return (await self._measured(there))[0]

    async def copy(self, disk: VmDisk, target: int, *, told: Callable[[float], None]) -> None:
        async with _opened(disk) as there:
            _, size = await self._measured(there)
            await self._program.run(
                *("convert", "-p", "-m", "16", "-O", "raw", there.name, name_of(target)),
                limits=replace(patient(CONVERT, size), file_size=size),
                readable=there.descriptors,
                writable=(target,),
                heard=lambda chunk: tell_share(chunk, told),
            )

    async def _measured(self, there: _Opened) -> tuple[int, int]:
        """Bytes that a raw copy takes, and how long it is."""
        said = await self._program.run(
            *("measure", "-O", "raw", "--output=json", there.name),
            limits=patient(LOOK, 1 << 40),
            readable=there.descriptors,
        )
        document = json.loads(said)
        return int(document["required"]), int(document["fully-allocated"])


@asynccontextmanager
async def _opened(disk: VmDisk) -> AsyncGenerator[_Opened]:
    """Raises HypervisorFailed where a file of it cannot be opened."""
    async with AsyncExitStack() as stack:
        try:
            descriptors = [await stack.enter_async_context(_open(file)) for file in disk]
        except OSError as error:
            raise HypervisorFailed(f"The VM's disk cannot be read: {error.strerror}.") from error
        node: dict[str, Any] | None = None
        for descriptor, file in reversed(list(zip(descriptors, disk, strict=True))):
            here = alone(descriptor, DiskInside(format=file.format))
            if file.in_use:
                # Past the lock of the process that has it open.
                here["force-share"] = True
            node = {**here, "backing": node} if node is not None else here
        assert node is not None
        yield _Opened(descriptors=tuple(descriptors), name=chain(node))


def _open(file: DiskFile) -> Any:
    # The image may be known by a readable name, which is a link of ours.
    return opened(os.path.realpath(file.path), os.O_RDONLY)


def _audited(output: bytes) -> GuestAudit:
    """Whoever broke the reader may have written these bytes: nothing but plain facts comes out of them."""
    try:
        said: object = json.loads(output)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return GuestAudit(reason="Its reader gave no facts.")
    given = cast("dict[str, object]", said)
    traces = cast("list[object]", given.get("traces")) if isinstance(given.get("traces"), list) else []
    return GuestAudit(
        file_system=_text(given, "file_system"),
        offset=_number(given, "offset"),
        traces=tuple(trace for one in traces if (trace := _trace(one))),
        cloud_init=given.get("cloud_init") is True,
        unseen=_number(given, "unseen"),
        reason=_text(given, "reason"),
    )


def _trace(said: object) -> Trace | None:
    if not isinstance(said, dict):
        return None
    given = cast("dict[str, object]", said)
    code, path, kind = (given.get(name) for name in ("code", "path", "kind"))
    if not (isinstance(code, str) and isinstance(path, str) and isinstance(kind, str)):
        return None
    return Trace(code=code, path=path, kind=kind) if path.startswith("/") else None


def _text(given: dict[str, object], name: str) -> str:
    value = given.get(name)
    return tidy(value) if isinstance(value, str) else ""


def _number(given: dict[str, object], name: str) -> int:
    value = given.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
