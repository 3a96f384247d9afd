"""An image: a name that points to an immutable version, named by its digest, and where its copies are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.os_info import OsInfo
from image_library.domain.trust import Evidence, TrustLevel


class ImageFormat(Enum):
    RAW = "raw"
    QCOW2 = "qcow2"
    VMDK = "vmdk"
    VHD = "vhd"
    ISO = "iso"
    OVA = "ova"


class Visibility(Enum):
    PRIVATE = "private"
    PROJECT = "project"
    PUBLIC = "public"


class ImagePhase(Enum):
    PENDING = "pending"
    DOWNLOADING = "downloading"
    CONVERTING = "converting"
    READY = "ready"
    ERROR = "error"
    DELETING = "deleting"


class PlacementState(Enum):
    """A copy is usable only while READY; UNAVAILABLE means that the node no longer reports it."""

    FETCHING = "fetching"
    READY = "ready"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class Requirements:
    min_cpu: int = 1
    min_memory_mib: int = 0
    min_disk_gib: int = 0
    firmware: tuple[str, ...] = ()
    secure_boot: bool = False
    tpm: bool = False


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One copy of an image on one node."""

    node_id: str
    path: str = ""
    state: PlacementState = PlacementState.FETCHING
    verified_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why something ended badly: an error as it is stored and sent on."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    id: str
    name: str
    project_id: str = "default"
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    catalog_id: str = ""
    os: OsInfo = OsInfo()
    requirements: Requirements = Requirements()
    format: ImageFormat = ImageFormat.QCOW2
    visibility: Visibility = Visibility.PRIVATE
    phase: ImagePhase = ImagePhase.PENDING
    size_bytes: int = 0
    virtual_size_bytes: int = 0
    progress_percent: int = 0
    # "sha256:HEX" of the stored file; empty until it is published.
    digest: str = ""
    evidence: Evidence | None = None
    failure: Failure | None = None
    placements: tuple[Placement, ...] = ()
    created_at: datetime
    updated_at: datetime

    @property
    def trust(self) -> TrustLevel:
        return self.evidence.level if self.evidence else TrustLevel.UNVERIFIED

    @property
    def ready_placements(self) -> tuple[Placement, ...]:
        return tuple(p for p in self.placements if p.state is PlacementState.READY)

    def placement_on(self, node_id: str) -> Placement | None:
        return next((p for p in self.placements if p.node_id == node_id), None)

    def with_placement(self, placement: Placement) -> Image:
        """This image with the copy on that node replaced or added."""
        others = tuple(p for p in self.placements if p.node_id != placement.node_id)
        return replace(self, placements=(*others, placement))

    def evolve(self, **changes: Any) -> Image:
        return replace(self, **changes)
