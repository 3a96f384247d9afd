"""Documents of guests without a disk for them, in the VM's folder for as long as they may be asked for."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64decode, b64encode
from pathlib import Path

from image_library.domain.seed_files import seed_files
from image_library.domain.vm import SeedDocuments
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.private_files import write_private
from image_library.node.ports.vms import VmFolders

_DOING = "writing what the VM's guest is told"


class ServedSeeds:
    """Implements ``ports.vms.SeedDesk``."""

    def __init__(self, folders: VmFolders) -> None:
        self._folders = folders

    async def lay_out(self, folder: str, documents: SeedDocuments, serial: str) -> None:
        await asyncio.to_thread(_lay_out, Path(folder), documents, serial)

    async def find(self, vm_id: str, name: str) -> bytes | None:
        return await asyncio.to_thread(self._find, vm_id, name)

    async def clear(self, vm_id: str) -> None:
        await self._folders.drop(vm_id, places.SERVED_SEED)

    def _find(self, vm_id: str, name: str) -> bytes | None:
        try:
            with places.opened(self._folders.path(vm_id)) as folder:
                files: dict[str, str] = json.loads(places.read(folder, places.SERVED_SEED))
        except OSError:
            return None
        return b64decode(files[name]) if name in files else None


def _lay_out(folder: Path, documents: SeedDocuments, serial: str) -> None:
    files = {name: b64encode(content).decode() for name, content in seed_files(documents).items()}
    write_private(folder, places.SMBIOS_SERIAL, os.fsencode(serial), doing=_DOING)
    write_private(folder, places.SERVED_SEED, json.dumps(files).encode(), doing=_DOING)
