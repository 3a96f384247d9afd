"""The seed: an ISO with cloud-init's documents as their datasource has them, readable for the node only."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path

from pycdlib.pycdlib import PyCdlib

from image_library.domain.seed_files import seed_files, seed_layout
from image_library.domain.vm import SeedDocuments
from image_library.node.adapters.private_files import write_private

SEED_NAME = "seed.iso"


class SeedIso:
    async def write(self, folder: str, documents: SeedDocuments) -> None:
        """Writes ``folder``/seed.iso: mode 0600 from its first byte, whole or not there.

        Raises:
            StorageFull, StorageIo: the disk did not take it.
        """
        await asyncio.to_thread(_write, Path(folder), documents)


def _write(folder: Path, documents: SeedDocuments) -> None:
    content = _iso(seed_files(documents), seed_layout(documents.datasource).label)
    write_private(folder, SEED_NAME, content, doing="writing the VM's seed")


def _iso(files: Mapping[str, bytes], label: str) -> bytes:
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    names: dict[str, str] = {"": ""}
    for path in files:
        _add_folders(iso, path, names)
    for number, (path, content) in enumerate(files.items()):
        folder, _, name = path.rpartition("/")
        # ISO 9660's own names allow no '-': readers use the Rock Ridge or Joliet name.
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"{names[folder]}/F{number:06}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
            file_mode=0o100400,
        )
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()


def _add_folders(iso: PyCdlib, path: str, names: dict[str, str]) -> None:
    """Makes the folders above ``path`` that are not in ``names``, which maps them to their ISO 9660 paths."""
    folder = ""
    for part in path.split("/")[:-1]:
        above, folder = folder, f"{folder}/{part}".lstrip("/")
        if folder not in names:
            names[folder] = f"{names[above]}/D{len(names):06}"
            iso.add_directory(names[folder], rr_name=part, joliet_path=f"/{folder}", file_mode=0o040500)
