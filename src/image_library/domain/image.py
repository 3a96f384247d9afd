"""An image: a name that points to an immutable version, named by its digest, and where its copies are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from image_library.domain.boot_proof import BootProof
from image_library.domain.checksum import Digest
from image_library.domain.guest_facts import Difference, GuestFacts, compare
from image_library.domain.lineage import CapturedFrom, ConvertedFrom
from image_library.domain.os_info import OsInfo
from image_library.domain.trust import Evidence, TrustLevel


class ImageFormat(Enum):
    RAW = "raw"
    QCOW2 = "qcow2"
    VMDK = "vmdk"
    VHD = "vhd"
    ISO = "iso"
    OVA = "ova"
    VHDX = "vhdx"
    VDI = "vdi"


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
    """A copy is usable only while READY.

    UNAVAILABLE means that the node no longer reports it; DAMAGED, that the node found its bytes wrong and put
    it aside.
    """

    FETCHING = "fetching"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    DAMAGED = "damaged"


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
    # The node's own store, as a storage pool.
    pool_id: str = ""
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
class Deprecation:
    """Why an image should not be used any more, and the name or id of the one to use instead."""

    reason: str = ""
    replacement: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One version of a name. Its bytes never change; the name points to the version that is ``current``."""

    id: str
    name: str
    version: int = 1
    current: bool = True
    project_id: str = "default"
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    catalog_id: str = ""
    os: OsInfo = OsInfo()
    requirements: Requirements = Requirements()
    format: ImageFormat = ImageFormat.QCOW2
    visibility: Visibility = Visibility.PRIVATE
    # Further projects that see it where it is PROJECT.
    shared_projects: tuple[str, ...] = ()
    # Neither deleted nor pruned until that is taken back.
    protected: bool = False
    # Left out of lists that do not ask for it.
    hidden: bool = False
    deprecation: Deprecation | None = None
    # Where the bytes came from: a URL without its query, "upload", or empty for a file found on a node.
    origin: str = ""
    # The publisher's own name for the build, such as "20260705".
    release: str = ""
    # The publisher's digests ("sha512:HEX") of the versions before it, the last one first.
    earlier: tuple[str, ...] = ()
    # What the publisher had that is newer, when it was last asked: see ``PublisherAnswer.name``.
    newer: str = ""
    phase: ImagePhase = ImagePhase.PENDING
    size_bytes: int = 0
    virtual_size_bytes: int = 0
    progress_percent: int = 0
    # "sha256:HEX" of the stored file; empty until it is published.
    digest: str = ""
    evidence: Evidence | None = None
    # Where its bytes are not those that came; the evidence is about those.
    converted_from: ConvertedFrom | None = None
    # What was read from inside it; None where nobody has looked.
    found: GuestFacts | None = None
    # The last time that somebody tried whether it boots, however that ended.
    boot_proof: BootProof | None = None
    failure: Failure | None = None
    placements: tuple[Placement, ...] = ()
    # Grows with every change that somebody made of what is said of it; names its etag.
    revision: int = 1
    # The library's number of its last change; given by the database.
    sequence: int = field(default=0, compare=False)
    created_at: datetime
    updated_at: datetime

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All that are known of its bytes: the stored file's own, and the publisher's."""
        own = self.digest.partition(":")[2]
        proof = self.evidence
        found = (Digest(algorithm="sha256", hex=own),) if own else ()
        if proof is None or not proof.actual:
            return found
        return tuple(dict.fromkeys((*found, Digest(algorithm=proof.algorithm, hex=proof.actual))))

    @property
    def trust(self) -> TrustLevel:
        return self.evidence.level if self.evidence else TrustLevel.UNVERIFIED

    @property
    def boots(self) -> bool:
        """Whether these very bytes were proved to boot."""
        proof = self.boot_proof
        return proof is not None and proof.passed and bool(self.digest) and proof.digest == self.digest

    @property
    def ready_placements(self) -> tuple[Placement, ...]:
        return tuple(p for p in self.placements if p.state is PlacementState.READY)

    @property
    def title(self) -> str:
        """The name, with the version where the name points to another one."""
        return self.name if self.current else f"{self.name}@{self.version}"

    @property
    def etag(self) -> str:
        return f"{self.id[:8]}-{self.revision}"

    @property
    def captured(self) -> CapturedFrom | None:
        """Of a template: the VM that it was made of."""
        return self.converted_from.captured if self.converted_from else None

    def usable_by(self, project_id: str) -> bool:
        """Whether a VM of that project may be made from it."""
        shared = self.visibility is Visibility.PROJECT and project_id in self.shared_projects
        return project_id == self.project_id or self.visibility is Visibility.PUBLIC or shared

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Where it is not what is declared of it."""
        return compare(self.os, self.found) if self.found else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever uses it should know, one sentence each."""
        return (*self._deprecated, *(difference.message for difference in self.differences))

    @property
    def _deprecated(self) -> tuple[str, ...]:
        if self.deprecation is None:
            return ()
        said = self.deprecation
        why = f": {said.reason.rstrip('.')}" if said.reason else ""
        instead = f" Use '{said.replacement}' instead." if said.replacement else ""
        return (f"The image '{self.title}' is deprecated{why}.{instead}",)

    def placement_on(self, node_id: str) -> Placement | None:
        return next((p for p in self.placements if p.node_id == node_id), None)

    def with_placement(self, placement: Placement) -> Image:
        """This image with the copy on that node replaced, in its place among the others, or added."""
        if self.placement_on(placement.node_id) is None:
            return replace(self, placements=(*self.placements, placement))
        copies = (placement if p.node_id == placement.node_id else p for p in self.placements)
        return replace(self, placements=tuple(copies))

    def evolve(self, **changes: Any) -> Image:
        return replace(self, **changes)
