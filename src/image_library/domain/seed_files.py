"""Where a guest finds documents: on a disk with a label, or below a URL. A row for each datasource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from image_library.domain.vm import Datasource, SeedDocuments


@dataclass(frozen=True, kw_only=True)
class SeedLayout:
    # Of the disk; empty: there is none.
    label: str
    # By the document's field of ``SeedDocuments``.
    paths: Mapping[str, str]
    # Fields whose file is there even when it is empty.
    always: frozenset[str] = frozenset()
    # Further paths of the same file.
    also: Mapping[str, str] = field(default_factory=dict[str, str])


_NOCLOUD = {
    "user_data": "user-data",
    "meta_data": "meta-data",
    "network_config": "network-config",
    "vendor_data": "vendor-data",
}
_LAYOUTS = {
    Datasource.NOCLOUD: SeedLayout(
        label="cidata",
        paths=_NOCLOUD,
        # An empty network-config would be read as no network.
        always=frozenset({"user_data", "meta_data"}),
    ),
    # An empty answer is nothing; one that is missing is asked for ten times more.
    Datasource.NOCLOUD_SMBIOS: SeedLayout(label="", paths=_NOCLOUD, always=frozenset(_NOCLOUD)),
    Datasource.CONFIG_DRIVE: SeedLayout(
        label="config-2",
        paths={
            "user_data": "openstack/latest/user_data",
            "meta_data": "openstack/latest/meta_data.json",
            "network_config": "openstack/latest/network_data.json",
            "vendor_data": "openstack/latest/vendor_data.json",
        },
        always=frozenset({"meta_data"}),
    ),
    # Setup reads the one on a first boot, and the other when it installs.
    Datasource.ANSWER_FILE: SeedLayout(
        label="UNATTEND",
        paths={"user_data": "Unattend.xml"},
        also={"user_data": "Autounattend.xml"},
    ),
}


# What a guest without a disk may ask for.
SERVED = frozenset(_NOCLOUD.values())


def seed_layout(datasource: Datasource) -> SeedLayout:
    return _LAYOUTS[datasource]


def seed_files(documents: SeedDocuments) -> dict[str, bytes]:
    """The seed's files by their paths."""
    layout = seed_layout(documents.datasource)
    texts = {name: getattr(documents, name).encode() for name in layout.paths}
    files = {layout.paths[name]: text for name, text in texts.items() if text or name in layout.always}
    return files | {path: texts[name] for name, path in layout.also.items()}
