"""Images on the wire, and the filters that name them."""

from __future__ import annotations

from pathlib import PurePosixPath

from image_library.domain.catalog import Support
from image_library.domain.image import Deprecation, Image, ImageFormat, ImagePhase, Placement, Visibility
from image_library.wire.boot_proof import proof_to_wire
from image_library.wire.enums import known
from image_library.wire.guest_facts import difference_to_wire, guest_to_wire
from image_library.wire.os_info import os_to_wire, requirements_to_wire
from image_library.wire.times import time_to_wire
from image_library.wire.trust import evidence_to_wire, source_to_wire, trust_to_wire
from limiquantix.storage.v1 import image_pb

FORMATS = {
    ImageFormat.RAW: image_pb.ImageSpec.Format.RAW,
    ImageFormat.QCOW2: image_pb.ImageSpec.Format.QCOW2,
    ImageFormat.VMDK: image_pb.ImageSpec.Format.VMDK,
    ImageFormat.VHD: image_pb.ImageSpec.Format.VHD,
    ImageFormat.ISO: image_pb.ImageSpec.Format.ISO,
    ImageFormat.OVA: image_pb.ImageSpec.Format.OVA,
    ImageFormat.VHDX: image_pb.ImageSpec.Format.VHDX,
    ImageFormat.VDI: image_pb.ImageSpec.Format.VDI,
}
VISIBILITIES = {
    Visibility.PRIVATE: image_pb.ImageSpec.Visibility.PRIVATE,
    Visibility.PROJECT: image_pb.ImageSpec.Visibility.PROJECT,
    Visibility.PUBLIC: image_pb.ImageSpec.Visibility.PUBLIC,
}
PHASES = {
    ImagePhase.PENDING: image_pb.ImageStatus.Phase.PENDING,
    ImagePhase.DOWNLOADING: image_pb.ImageStatus.Phase.DOWNLOADING,
    ImagePhase.CONVERTING: image_pb.ImageStatus.Phase.CONVERTING,
    ImagePhase.READY: image_pb.ImageStatus.Phase.READY,
    ImagePhase.ERROR: image_pb.ImageStatus.Phase.ERROR,
    ImagePhase.DELETING: image_pb.ImageStatus.Phase.DELETING,
}
_NOT_KNOWN = Support()
_FORMATS_BACK = {wire: name for name, wire in FORMATS.items()}
_VISIBILITIES_BACK = {wire: name for name, wire in VISIBILITIES.items()}
_PHASES_BACK = {wire: phase for phase, wire in PHASES.items()}


def image_to_wire(image: Image, support: Support = _NOT_KNOWN) -> image_pb.Image:
    """``support`` is what the catalogue says of it."""
    return image_pb.Image(
        id=image.id,
        name=image.name,
        description=image.description,
        project_id=image.project_id,
        labels=dict(image.labels),
        spec=_spec(image),
        status=_status(image, support),
        created_at=time_to_wire(image.created_at),
        updated_at=time_to_wire(image.updated_at),
        version=image.version,
        current=image.current,
        etag=image.etag,
        protected=image.protected,
        hidden=image.hidden,
        deprecation=_deprecation(image.deprecation),
        sequence=image.sequence,
    )


def _deprecation(deprecation: Deprecation | None) -> image_pb.Deprecation | None:
    if deprecation is None:
        return None
    return image_pb.Deprecation(
        deprecated=True, reason=deprecation.reason, replacement=deprecation.replacement
    )


def _spec(image: Image) -> image_pb.ImageSpec:
    return image_pb.ImageSpec(
        os=os_to_wire(image.os),
        requirements=requirements_to_wire(image.requirements),
        format=FORMATS[image.format],
        visibility=VISIBILITIES[image.visibility],
        catalog_id=image.catalog_id,
        shared_projects=list(image.shared_projects),
    )


def _status(image: Image, support: Support) -> image_pb.ImageStatus:
    shown = image.ready_placements[0] if image.ready_placements else None
    where = PurePosixPath(shown.path) if shown and shown.path else None
    status = image_pb.ImageStatus(
        phase=PHASES[image.phase],
        size_bytes=image.size_bytes,
        virtual_size_bytes=image.virtual_size_bytes,
        progress_percent=image.progress_percent,
        storage_pool_id=shown.pool_id if shown else "",
        path=shown.path if shown else "",
        node_id=shown.node_id if shown else "",
        folder_path=str(where.parent) if where else "",
        filename=where.name if where else "",
        trust=trust_to_wire(image.trust),
        placements=[_placement(p) for p in image.placements],
        digest=image.digest,
        evidence=evidence_to_wire(image.evidence),
        found=guest_to_wire(image.found),
        differences=[difference_to_wire(d) for d in image.differences],
        origin=image.origin,
        release=image.release,
        newer_release=image.newer,
        support_ends=support.ends.isoformat() if support.ends else "",
        end_of_life=support.ended,
        converted_from=source_to_wire(image.converted_from),
        boot_proof=proof_to_wire(image.boot_proof),
        boots=image.boots,
    )
    if image.evidence and image.evidence.actual:
        status.checksum = f"{image.evidence.algorithm}:{image.evidence.actual}"
    if image.failure:
        status.error_message = image.failure.message
        status.error_code = image.failure.code
        status.error_remedy = image.failure.remedy
    return status


def _placement(placement: Placement) -> image_pb.ImagePlacement:
    return image_pb.ImagePlacement(
        node_id=placement.node_id,
        storage_pool_id=placement.pool_id,
        path=placement.path,
        state=placement.state.value,
        verified_at=time_to_wire(placement.verified_at),
    )


def format_from_wire(number: image_pb.ImageSpec.Format) -> ImageFormat | None:
    """The format that the contract's own filter names; None for zero, which filters nothing.

    Raises:
        InvalidRequest: the number is none of the contract's.
    """
    return None if int(number) == 0 else exact_format(number)


def visibility_from_wire(number: image_pb.ImageSpec.Visibility) -> Visibility | None:
    """The visibility that the contract's own filter names; None for zero, which filters nothing.

    Raises:
        InvalidRequest: the number is none of the contract's.
    """
    return None if int(number) == 0 else exact_visibility(number)


def exact_format(number: image_pb.ImageSpec.Format) -> ImageFormat:
    """The format with this number, RAW for zero. Raises InvalidRequest."""
    return known(number, _FORMATS_BACK, field="format")


def exact_visibility(number: image_pb.ImageSpec.Visibility) -> Visibility:
    """The visibility with this number, PRIVATE for zero. Raises InvalidRequest."""
    return known(number, _VISIBILITIES_BACK, field="visibility")


def exact_phase(number: image_pb.ImageStatus.Phase) -> ImagePhase:
    """The phase with this number. Raises InvalidRequest."""
    return known(number, _PHASES_BACK, field="phases")
