"""Images and catalog entries as rows of a table and as facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from image_library.cli.proof_views import proof_facts
from image_library.cli.sizes import shown
from image_library.cli.words import at, state, trust
from limiquantix.storage.v1.image_pb import (
    CatalogDownloadStatus,
    Deprecation,
    Image,
    ImageCatalogEntry,
    ImageCatalogVariant,
    ImagePlacement,
    ImageSpec,
    ImageStatus,
    OsInfo,
)
from limiquantix.storage.v1.trust_pb import ApplianceHardware, CapturedFrom, ConvertedFrom, TrustLevel


def catalog_rows(
    entries: Iterable[ImageCatalogEntry], here: Iterable[CatalogDownloadStatus]
) -> list[Sequence[str]]:
    states = {status.catalog_id: status for status in here}
    return [
        (
            e.id,
            e.name,
            e.os.default_user if e.os else "",
            " ".join(e.architectures),
            trust(e.trust),
            support(e),
            _here(states.get(e.id)),
        )
        for e in entries
    ]


def support(entry: ImageCatalogEntry | ImageStatus) -> str:
    """When the publisher's support ends; plainly marked once it has."""
    if entry.end_of_life:
        return f"{entry.support_ends} (ended)" if entry.support_ends else "ended"
    return entry.support_ends


def _here(status: CatalogDownloadStatus | None) -> str:
    if status is None or status.status is CatalogDownloadStatus.Status.NOT_DOWNLOADED:
        return ""
    if status.status is CatalogDownloadStatus.Status.DOWNLOADING:
        return f"{status.progress_percent} %"
    if status.status is not CatalogDownloadStatus.Status.READY:
        return "failed"
    return f"yes, newer: {status.newer_release}" if status.newer_release else "yes"


def template_rows(images: Iterable[Image]) -> list[Sequence[str]]:
    """Templates with the VMs that they were captured from."""
    rows: list[Sequence[str]] = []
    for image in images:
        status = image.status or ImageStatus()
        source = status.converted_from or ConvertedFrom()
        captured = source.captured or CapturedFrom()
        left = ", ".join(captured.left)
        rows.append(
            (
                image.name,
                str(image.version),
                state(status.phase),
                shown(status.size_bytes),
                captured.vm_name,
                left,
                at(image.created_at),
            )
        )
    return rows


def image_rows(images: Iterable[Image], node_names: Mapping[str, str]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for image in images:
        status = image.status or ImageStatus()
        size = shown(status.size_bytes) if status.size_bytes else ""
        disk = shown(status.virtual_size_bytes) if status.virtual_size_bytes else ""
        nodes = " ".join(
            node_names.get(p.node_id, p.node_id) for p in status.placements if p.state == "ready"
        )
        os = _os(image.spec.os if image.spec else None)
        name = titled(image)
        proved = trust(status.trust) + (", boots" if status.boots else "")
        rows.append((name, os, image_state(image), proved, size, disk, nodes, image.id))
    return rows


def titled(image: Image) -> str:
    """The name, with the version where the name points to another one."""
    return image.name if image.current or not image.version else f"{image.name}@{image.version}"


def image_state(image: Image) -> str:
    """Its phase, and in brackets what else people should know at first sight."""
    status = image.status or ImageStatus()
    deprecated = image.deprecation is not None and image.deprecation.deprecated
    marks = {
        f"newer: {status.newer_release}": bool(status.newer_release),
        "support ended": status.end_of_life,
        "deprecated": deprecated,
        "protected": image.protected,
        "hidden": image.hidden,
    }
    said = ", ".join(word for word, true in marks.items() if true)
    phase = _phase(status)
    return f"{phase} ({said})" if said else phase


def _phase(status: ImageStatus) -> str:
    if status.phase is ImageStatus.Phase.DOWNLOADING:
        return f"downloading {status.progress_percent} %"
    return state(status.phase)


def _os(os: OsInfo | None) -> str:
    if os is None:
        return ""
    return " ".join(part for part in (os.distribution, os.version, os.architecture) if part)


def image_facts(image: Image, node_names: Mapping[str, str]) -> list[tuple[str, str]]:
    status = image.status or ImageStatus()
    facts = [
        ("name", image.name),
        ("id", image.id),
        ("state", image_state(image)),
        ("error", " ".join(part for part in (status.error_message, status.error_remedy) if part)),
        ("description", image.description),
        *_words(image),
        ("catalog id", image.spec.catalog_id if image.spec else ""),
        ("release", status.release),
        ("newer", status.newer_release),
        ("support ends", support(status)),
        ("os", _os(image.spec.os if image.spec else None)),
        ("user", image.spec.os.default_user if image.spec and image.spec.os else ""),
        ("format", state(image.spec.format) if image.spec else ""),
        ("from", status.origin),
        ("size", shown(status.size_bytes) if status.size_bytes else ""),
        ("disk", shown(status.virtual_size_bytes) if status.virtual_size_bytes else ""),
        ("digest", status.digest),
        *_lineage(status),
        ("created", at(image.created_at)),
    ]
    copies = [
        (f"on {node_names.get(p.node_id, p.node_id)}", f"{p.state} {p.path}{_last_read(p)}")
        for p in status.placements
    ]
    proved = proof_facts(status, node_names) if status.digest else []
    return facts + _inside(status) + copies + _evidence(status, node_names) + proved


def _inside(status: ImageStatus) -> list[tuple[str, str]]:
    """What was found in the image, and where that is not what is declared."""
    found = status.found
    if found is None:
        return []
    able = {"cloud-init": found.cloud_init, "guest agent": found.guest_agent}
    inside = [
        found.pretty_name or found.distribution,
        found.architecture,
        f"user {found.default_user}" if found.default_user else "",
        *(name if there else f"no {name}" for name, there in able.items() if found.read),
        "/".join(found.firmware),
        found.root_filesystem,
    ]
    return [
        ("found inside", ", ".join(part for part in inside if part)),
        ("not all read", found.reason),
        *(("differs", difference.message) for difference in status.differences),
    ]


def _lineage(status: ImageStatus) -> list[tuple[str, str]]:
    """What its bytes were made of; the proof is about that."""
    source = status.converted_from
    if source is None:
        return []
    if source.captured is not None:
        return _captured(source, source.captured)
    packing = f", {source.packing}" if source.packing else ""
    proved = f", {trust(source.trust)}" if source.trust is not TrustLevel.UNSPECIFIED else ""
    return [
        ("converted from", f"{source.format}{packing}, {shown(source.size_bytes)}{proved}"),
        ("its digest", source.digest),
        ("its machine", _machine(source.hardware)),
    ]


def _captured(source: ConvertedFrom, captured: CapturedFrom) -> list[tuple[str, str]]:
    """Of a template: the VM, and the image below its disk, whose trust proves nothing of this one."""
    left = ", ".join(captured.left)
    state = ("cleaned" if captured.cleaned else "not cleaned") + (", frozen" if captured.frozen else "")
    return [
        ("template of", f"VM {captured.vm_name} ({captured.vm_id}), {state}"),
        ("not general", left),
        ("on the image", source.digest),
    ]


def _machine(hardware: ApplianceHardware | None) -> str:
    """What an appliance says of the machine that it was exported from."""
    if hardware is None:
        return ""
    memory = shown(hardware.memory_mib << 20) if hardware.memory_mib else ""
    said = (
        ("CPUs", hardware.cpus),
        ("memory", memory),
        ("firmware", hardware.firmware),
        ("network cards", hardware.network_cards),
        ("system", hardware.os_type),
    )
    return ", ".join(f"{name} {value}" for name, value in said if value)


def _words(image: Image) -> list[tuple[str, str]]:
    """What people said of it."""
    spec, old = image.spec or ImageSpec(), image.deprecation or Deprecation()
    return [
        ("version", f"{image.version}, {'current' if image.current else 'not current'}"),
        ("labels", " ".join(f"{key}={value}" for key, value in sorted(image.labels.items()))),
        ("project", image.project_id),
        ("visibility", state(spec.visibility)),
        ("shared with", " ".join(spec.shared_projects)),
        ("deprecated", old.reason if old.deprecated else ""),
        ("use instead", old.replacement),
    ]


def _evidence(status: ImageStatus, node_names: Mapping[str, str]) -> list[tuple[str, str]]:
    facts = [("trust", trust(status.trust))]
    proof = status.evidence
    if proof is None:
        return facts
    where = f"{at(proof.verified_at)} on {node_names.get(proof.node_id, proof.node_id)}"
    actual = f"{proof.algorithm}:{proof.actual}" if proof.actual else ""
    if not proof.expected:
        nothing = "nothing was known to compare the bytes with"
        note = f"{nothing}; {proof.source}" if proof.source else nothing
        return [*facts, ("measured", actual), ("note", note), ("fetched", where)]
    return [
        *facts,
        ("expected", f"{proof.algorithm}:{proof.expected}"),
        ("actual", actual),
        ("according to", proof.source),
        ("signed by", f"{proof.key_owner} {proof.key_fingerprint}".strip()),
        ("verified", where),
    ]


def _newest(variant: ImageCatalogVariant) -> str:
    """The newest build that the publisher was heard to have, and when."""
    if not variant.asked_at:
        return ""
    published = f", published {variant.newest_published}" if variant.newest_published else ""
    return f"{variant.newest_release or 'not told'}{published} (asked {variant.asked_at})"


def _signers(variant: ImageCatalogVariant) -> str:
    """Whose signature of the checksum file is demanded."""
    pairs = zip(variant.key_owners, variant.signing_keys, strict=False)
    return " or ".join(f"{owner} {fingerprint}" for owner, fingerprint in pairs)


def entry_facts(entry: ImageCatalogEntry) -> list[tuple[str, str]]:
    needs = entry.requirements
    facts = [
        ("catalog entry", entry.id),
        ("called", entry.name),
        ("about", entry.description),
        ("login user", entry.os.default_user if entry.os else ""),
        ("verified by", trust(entry.trust)),
        ("support ends", support(entry)),
        ("least memory", f"{needs.min_memory_mib} MiB" if needs and needs.min_memory_mib else ""),
        ("least disk", f"{needs.min_disk_gib} GiB" if needs and needs.min_disk_gib else ""),
    ]
    for v in entry.variants:
        facts += [
            (f"{v.architecture} image", v.url),
            (f"{v.architecture} checksum", v.checksum_url or f"{v.checksum_type}:{v.checksum}"),
            (f"{v.architecture} signed by", _signers(v)),
            (f"{v.architecture} newest", _newest(v)),
        ]
    return facts


def _last_read(copy: ImagePlacement) -> str:
    return f", read and right {at(copy.verified_at)}" if copy.verified_at else ""
