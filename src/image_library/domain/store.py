"""What a node keeps: published images, files that operators put beside them, and its downloads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from image_library.domain.boot_proof import BootProof, StageTime
from image_library.domain.conversion import Shape
from image_library.domain.errors import Internal
from image_library.domain.guest_facts import GuestFacts
from image_library.domain.hardware import Hardware
from image_library.domain.image import Failure, ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.os_info import OsInfo
from image_library.domain.progress import Progress, Tries
from image_library.domain.proof_order import ProofOrder
from image_library.domain.signature import SignatureSource
from image_library.domain.trust import Evidence


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What an image's header says, and what was read from inside it. Sizes in bytes."""

    format: ImageFormat
    virtual_size_bytes: int
    # None where nobody has looked.
    guest: GuestFacts | None = None
    # Of an appliance: the machine that it was exported from.
    hardware: Hardware | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedImage:
    """A whole, verified, immutable image in the node's store."""

    # "sha256:HEX" of the file.
    digest: str
    size_bytes: int
    facts: ImageFacts
    # Absolute path of the blob, for the hypervisor; never shown as an image's name.
    blob_path: str
    # Absolute path of the readable link in cloud-images/.
    link_path: str
    evidence: Evidence
    published_at: datetime
    # Where its bytes are not those that came.
    converted_from: ConvertedFrom | None = None


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file that an operator put into cloud-images/, as a scan saw it. Paths are absolute."""

    path: str
    filename: str
    size_bytes: int
    facts: ImageFacts
    detected_os: OsInfo
    modified_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DownloadOrder:
    """What the control plane asks a node to fetch.

    A checksum file's URL or a digest is given, or it is said that there is none (``unverified``).
    """

    job_id: str
    image_id: str
    url: str
    # The readable link's name in cloud-images/.
    filename: str
    format: ImageFormat
    # "sha256" or "sha512"; with a checksum file also empty: the strongest that it has.
    checksum_algorithm: str
    checksum_url: str = ""
    # Lower-case hexadecimal.
    digest: str = ""
    # The URL at which the digest is stated; empty: in the catalogue, which pins it.
    digest_source: str = ""
    # Bytes that the file must have; 0 where nobody said.
    size_bytes: int = 0
    # How the checksum file is signed: without a valid signature nothing is taken.
    signature: SignatureSource | None = None
    # Nothing is known to compare the bytes with; they are published as unverified.
    unverified: bool = False
    # "sha256:HEX": a blob that the library has on another node; the URL is empty then.
    library_digest: str = ""
    # The bytes were uploaded to the node under this job's id; the URL is empty then.
    received: bool = False
    # An operator's file on the node that is to become the image; the URL is empty then.
    adopt_path: str = ""
    # "sha256:HEX": an image on the node that the new one is to be made of; the URL is empty then.
    convert_digest: str = ""
    # The id of a VM of the node whose disk the new image is to be made of; the URL is empty then.
    capture_vm: str = ""
    # Whether the copy is cleaned of what is that VM's own, and whether it is captured whatever is left.
    capture_clean: bool = True
    capture_force: bool = False
    # Whether it may run, and is frozen then; and whether its agent cleans the VM itself first.
    capture_frozen: bool = False
    capture_in_guest: bool = False
    # What it is to become; None: what it is. In both cases it is unpacked where it is packed.
    wanted: Shape | None = None
    # Nothing is fetched: the image ("sha256:HEX" in the machine's disk) is to be booted.
    prove: ProofOrder | None = None

    @property
    def unproved(self) -> bool:
        """Nothing at all is known to compare the bytes with, not even what their sender counted."""
        return self.unverified and not self.digest


@dataclass(frozen=True, kw_only=True)
class Download:
    """A node's journal record of one download."""

    order: DownloadOrder
    state: JobState = JobState.QUEUED
    progress: Progress = Progress()
    waiting_for: str = ""
    tries: Tries = Tries()
    published: PublishedImage | None = None
    failure: Failure | None = None
    # Of a proof: how far its VM has come, and what it came to.
    stages: tuple[StageTime, ...] = ()
    proof: BootProof | None = None

    def evolve(self, **changes: Any) -> Download:
        """The record with these changes; one that has ended never changes again."""
        if self.state.ended:
            raise Internal(f"Download {self.order.job_id} has already ended as {self.state.value}.")
        return replace(self, **changes)
