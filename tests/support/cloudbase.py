"""Reads a seed as Cloudbase-Init does on Windows: its own services, with our ISO in place of the drive.

Run: python -m tests.support.cloudbase nocloud|config_drive ISO; prints what the service found, as JSON.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pycdlib


def main(kind: str, iso: str) -> None:
    logging.disable(logging.CRITICAL)
    conf = _module("conf")
    base = _module("metadata.services.osconfigdrive.base")
    services = {
        "nocloud": _module("metadata.services.nocloudservice").NoCloudConfigDriveService,
        "config_drive": _module("metadata.services.configdrive").ConfigDriveService,
    }

    class OurDrive(base.BaseConfigDriveManager):
        target_path: str

        def get_config_drive_files(
            self, drive_label: str, metadata_file: str, *_args: Any, **_kwargs: Any
        ) -> bool:
            label = _unpacked(iso, Path(self.target_path))
            found = Path(self.target_path, metadata_file.replace("\\", "/")).exists()
            return label.lower() == drive_label.lower() and found

    conf.CONF([], project="cloudbase-init")
    _module("metadata.services.osconfigdrive.factory").get_config_drive_manager = OurDrive
    service = services[kind]()
    loaded = bool(service.load())
    network = service.get_network_details_v2()
    print(
        json.dumps(
            {
                "loaded": loaded,
                "instance_id": service.get_instance_id(),
                "hostname": service.get_host_name(),
                "user_data": service.get_user_data().decode(),
                "links": [link.mac_address for link in network.links] if network else [],
                "addresses": [one.address_cidr for one in network.networks] if network else [],
            }
        )
    )


def plugins() -> None:
    """The keys of a cloud-config that Cloudbase-Init acts on."""
    factory = _module("plugins.common.userdataplugins.cloudconfigplugins.factory")
    print(json.dumps(sorted(factory.PLUGINS)))


def _module(name: str) -> Any:
    """It has no types."""
    return importlib.import_module(f"cloudbaseinit.{name}")


def _unpacked(iso: str, folder: Path) -> str:
    disc = pycdlib.PyCdlib()
    disc.open(iso)
    walk = cast(Callable[..., Any], disc.walk)
    for above, _, names in walk(joliet_path="/"):
        for name in names:
            path = f"{above.rstrip('/')}/{name}"
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            disc.get_file_from_iso(str(target), joliet_path=path)
    return disc.pvd.volume_identifier.decode().strip()


if __name__ == "__main__":
    plugins() if sys.argv[1] == "plugins" else main(*sys.argv[1:])
