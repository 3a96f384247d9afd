"""Changes of the library as lines for people."""

from __future__ import annotations

from typing import Any

from image_library.cli.node_views import node_state
from image_library.cli.output import plain
from image_library.cli.progress import described as job_line
from image_library.cli.vm_views import state_of
from image_library.cli.words import state, trust
from limiquantix.compute.v1.node_pb import Node
from limiquantix.compute.v1.vm_pb import VirtualMachine
from limiquantix.storage.v1.image_pb import Image, ImportStatus, LibraryChange, RemovedItem


def described(change: LibraryChange) -> str:
    """One line; empty for what is said of the stream itself."""
    value: Any = change.change.value if change.change is not None else None
    match value:
        case Image():
            return f"image {_image(value)}"
        case ImportStatus():
            return f"job {value.job_id[:8]} {job_line(value)}"
        case Node():
            return f"node {plain(value.hostname)}: {node_state(value.status) if value.status else '-'}"
        case VirtualMachine():
            return f"vm {plain(value.name)}: {state_of(value)}{_stage(value)}"
        case RemovedItem():
            return f"{plain(value.kind)} {plain(value.id)}: gone"
        case _:
            return ""


def _stage(vm: VirtualMachine) -> str:
    """How far its first boot has come, until that is over."""
    stage = vm.status.stage if vm.status else ""
    return "" if stage in ("", "done") else f", {plain(stage)}"


def _image(image: Image) -> str:
    status = image.status
    if status is None:
        return plain(image.name)
    places = [copy.state for copy in status.placements]
    copies = ", ".join(f"{places.count(word)} {word}" for word in sorted(set(places))) or "no copies"
    title = image.name if image.current else f"{image.name}@{image.version}"
    return plain(f"{title}: {state(status.phase)}, {trust(status.trust)}, {copies}")
