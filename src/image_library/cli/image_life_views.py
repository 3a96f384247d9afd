"""Versions, users and garbage as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from image_library.cli.image_views import image_state
from image_library.cli.sizes import shown
from image_library.cli.words import at, trust
from limiquantix.storage.v1.image_pb import (
    DerivedImage,
    GarbageItem,
    Image,
    ImageStatus,
    ImageUsage,
    ImageUser,
)

VERSIONS = ("VERSION", "CURRENT", "STATE", "TRUST", "SIZE", "RELEASE", "CREATED", "ID")
USERS = ("VM", "STATE", "NEEDED FOR", "PROJECT", "NODE", "ID")
GARBAGE = ("KIND", "NAME", "NODE", "BYTES", "WHY")


def version_rows(versions: Iterable[Image]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for image in versions:
        status = image.status or ImageStatus()
        current, size = "yes" if image.current else "", shown(status.size_bytes) if status.size_bytes else ""
        number, made = str(image.version), at(image.created_at)
        rows.append(
            (number, current, image_state(image), trust(status.trust), size, status.release, made, image.id)
        )
    return rows


def usage_facts(image: Image, usage: ImageUsage) -> list[tuple[str, str]]:
    return [
        ("image", f"{image.name}@{image.version}"),
        ("jobs", " ".join(usage.job_ids)),
        ("other versions", " ".join(usage.version_ids)),
        ("made of", " ".join(_made(one) for one in usage.made_of)),
        ("made from it", ", ".join(_made(one) for one in usage.derived)),
    ]


def user_rows(usage: ImageUsage, node_names: Mapping[str, str]) -> list[Sequence[str]]:
    return [
        (
            vm.name,
            vm.state,
            _needed_for(vm),
            vm.project_id,
            node_names.get(vm.node_id, vm.node_id),
            vm.id,
        )
        for vm in usage.vms
    ]


def _needed_for(vm: ImageUser) -> str:
    return ", ".join([*(["disk"] if vm.by_disk else []), *(f"snapshot {name}" for name in vm.snapshots)])


def _made(image: DerivedImage) -> str:
    through = f" from VM {image.vm_name}" if image.vm_name else ""
    return f"{image.title} ({image.how}{through})"


def garbage_rows(items: Iterable[GarbageItem], node_names: Mapping[str, str]) -> list[Sequence[str]]:
    return [
        (
            item.kind,
            item.name,
            node_names.get(item.node_id, item.node_id),
            shown(item.bytes) if item.bytes else "",
            item.reason,
        )
        for item in items
    ]
