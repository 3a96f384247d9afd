"""A node's report of its image folder on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from image_library.domain.inventory import DamagedImage, Inventory, ReportedImage
from image_library.wire.guest_facts import guest_from_wire, guest_to_wire
from image_library.wire.os_info import os_from_wire, os_to_wire
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.storage.v1.image_pb import DamagedImageInfo, LocalImageInfo, ScanLocalImagesRequest


def inventory_from_wire(message: ScanLocalImagesRequest) -> Inventory:
    return Inventory(
        node_id=message.node_id,
        store_id=message.store_id,
        images=tuple(_reported(info) for info in message.images),
        damaged=tuple(
            DamagedImage(checksum=d.checksum, actual=d.actual, found_at=time_from_wire(d.found_at))
            for d in message.damaged
        ),
        errors=tuple(message.errors),
        complete=message.inventory_complete,
        sequence=message.sequence,
        epoch=message.epoch,
    )


def inventory_to_wire(inventory: Inventory) -> ScanLocalImagesRequest:
    return ScanLocalImagesRequest(
        node_id=inventory.node_id,
        store_id=inventory.store_id,
        images=[_info(image) for image in inventory.images],
        damaged=[
            DamagedImageInfo(checksum=d.checksum, actual=d.actual, found_at=time_to_wire(d.found_at))
            for d in inventory.damaged
        ],
        errors=list(inventory.errors),
        inventory_complete=inventory.complete,
        sequence=inventory.sequence,
        epoch=inventory.epoch,
    )


def _reported(info: LocalImageInfo) -> ReportedImage:
    return ReportedImage(
        path=info.path,
        filename=info.filename,
        size_bytes=info.size_bytes,
        virtual_size_bytes=info.virtual_size_bytes,
        format=info.format,
        checksum=info.checksum,
        detected_os=os_from_wire(info.detected_os),
        found=guest_from_wire(info.found),
        modified_at=_moment(info.modified_at),
        verified_at=time_from_wire(info.verified_at),
    )


def _info(image: ReportedImage) -> LocalImageInfo:
    return LocalImageInfo(
        path=image.path,
        filename=image.filename,
        size_bytes=image.size_bytes,
        virtual_size_bytes=image.virtual_size_bytes,
        format=image.format,
        checksum=image.checksum,
        detected_os=os_to_wire(image.detected_os),
        found=guest_to_wire(image.found),
        modified_at=image.modified_at.isoformat() if image.modified_at else "",
        verified_at=time_to_wire(image.verified_at),
    )


def _moment(text: str) -> datetime | None:
    """RFC 3339 as a moment; None where an old client's text is something else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
