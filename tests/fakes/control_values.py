"""Values of the control plane's domain, each whole and valid, with whatever a test wants otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from image_library.domain.catalog import Catalog, CatalogEntry, Variant
from image_library.domain.image import Image, ImageFormat, ImagePhase, Placement, PlacementState, Requirements
from image_library.domain.inventory import ReportedImage
from image_library.domain.job import Job
from image_library.domain.node import Node, NodePhase
from image_library.domain.os_info import GuestTraits, OsFamily, OsInfo
from image_library.domain.store import DownloadOrder, ImageFacts, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.domain.vm import SeedDocuments, Vm, VmReport

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
OTHER_DIGEST = "sha256:" + "cd" * 32
SHA512 = "12" * 64


def a_node(node_id: str = "node-1", **changes: Any) -> Node:
    facts: dict[str, Any] = {
        "hostname": f"{node_id}.example",
        "agent_endpoint": "127.0.0.1:9000",
        "architecture": "x86_64",
        "phase": NodePhase.READY,
        "store_id": f"store-of-{node_id}",
        "disk_total_bytes": 100 * 1024**3,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Node(id=node_id, **{**facts, **changes})


def an_image(image_id: str = "image-1", **changes: Any) -> Image:
    facts: dict[str, Any] = {"name": image_id, "created_at": NOW, "updated_at": NOW}
    return Image(id=image_id, **{**facts, **changes})


def a_ready_image(image_id: str = "image-1", node_id: str = "node-1", **changes: Any) -> Image:
    facts: dict[str, Any] = {
        "phase": ImagePhase.READY,
        "digest": DIGEST,
        "size_bytes": 1000,
        "placements": (a_copy(node_id),),
    }
    return an_image(image_id, **{**facts, **changes})


def a_copy(node_id: str = "node-1", path: str = "/images/debian-12.qcow2") -> Placement:
    return Placement(
        node_id=node_id,
        pool_id=f"store-of-{node_id}",
        path=path,
        state=PlacementState.READY,
        verified_at=NOW,
    )


def a_job(job_id: str = "job-1", **changes: Any) -> Job:
    facts: dict[str, Any] = {
        "image_id": "image-1",
        "image_name": "debian-12",
        "node_id": "node-1",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Job(id=job_id, **{**facts, **changes})


def an_order(job_id: str = "job-1", **changes: Any) -> DownloadOrder:
    facts: dict[str, Any] = {
        "image_id": "image-1",
        "url": "https://example.org/debian-12.qcow2",
        "filename": "debian-12.qcow2",
        "format": ImageFormat.QCOW2,
        "checksum_algorithm": "sha512",
        "checksum_url": "https://example.org/SHA512SUMS",
    }
    return DownloadOrder(job_id=job_id, **{**facts, **changes})


def a_vm(vm_id: str = "vm-1", **changes: Any) -> Vm:
    facts: dict[str, Any] = {
        "name": vm_id,
        "cores": 1,
        "memory_mib": 512,
        "mac_address": "52:54:00:00:00:01",
        "seed": SeedDocuments(user_data="#cloud-config\n", meta_data=""),
        "report": VmReport(vm_id=vm_id),
        "created_at": NOW,
        "updated_at": NOW,
        "state_changed_at": NOW,
    }
    return Vm(id=vm_id, **{**facts, **changes})


def a_published_image(**changes: Any) -> PublishedImage:
    facts: dict[str, Any] = {
        "digest": DIGEST,
        "size_bytes": 1000,
        "facts": ImageFacts(format=ImageFormat.QCOW2, virtual_size_bytes=2 * 1024**3),
        "blob_path": "",
        "link_path": "/data/cloud-images/debian-12.qcow2",
        "evidence": an_evidence(),
        "published_at": NOW,
    }
    return PublishedImage(**{**facts, **changes})


def an_adopted_file(**changes: Any) -> PublishedImage:
    """What a node says once it has adopted an operator's file."""
    digest = DIGEST.removeprefix("sha256:")
    seen = an_evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected="", actual=digest, source="")
    return a_published_image(**{"evidence": seen, "link_path": "/images/debian-12.qcow2", **changes})


def an_evidence(**changes: Any) -> Evidence:
    facts: dict[str, Any] = {
        "level": TrustLevel.CHECKSUM,
        "algorithm": "sha512",
        "expected": SHA512,
        "actual": SHA512,
        "source": "https://example.org/SHA512SUMS",
        "verified_at": NOW,
    }
    return Evidence(**{**facts, **changes})


def a_reported(path: str = "/images/golden.qcow2", **changes: Any) -> ReportedImage:
    facts: dict[str, Any] = {
        "filename": path.rsplit("/", 1)[-1],
        "size_bytes": 1000,
        "virtual_size_bytes": 5000,
        "format": "qcow2",
    }
    return ReportedImage(path=path, **{**facts, **changes})


def a_variant(architecture: str = "x86_64", **changes: Any) -> Variant:
    facts: dict[str, Any] = {
        "url": f"https://example.org/debian-12-{architecture}.qcow2",
        "checksum_url": "https://example.org/SHA512SUMS",
        "checksum_algorithm": "sha512",
        "size_bytes": 1000,
    }
    return Variant(architecture=architecture, **{**facts, **changes})


def an_entry(catalog_id: str = "debian-12", **changes: Any) -> CatalogEntry:
    facts: dict[str, Any] = {
        "name": catalog_id.title(),
        "os": OsInfo(family=OsFamily.LINUX, distribution="debian", version="12", default_user="debian"),
        "requirements": Requirements(min_disk_gib=2),
        "traits": GuestTraits(),
        "variants": (a_variant("x86_64"), a_variant("aarch64")),
    }
    return CatalogEntry(id=catalog_id, **{**facts, **changes})


def a_catalog(*entries: CatalogEntry) -> Catalog:
    return Catalog(entries=entries or (an_entry(), an_entry("ubuntu-24.04")))
