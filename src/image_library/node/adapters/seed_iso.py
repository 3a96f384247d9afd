"""The NoCloud seed: an ISO labelled "cidata" with cloud-init's documents, which only the node may read."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

from pycdlib.pycdlib import PyCdlib

from image_library.domain.vm import SeedDocuments
from image_library.node.adapters.store.disk import disk_errors

SEED_NAME = "seed.iso"
# The label by which cloud-init's NoCloud datasource finds it.
LABEL = "cidata"


class SeedIso:
    async def write(self, folder: str, documents: SeedDocuments) -> None:
        """Writes ``folder``/seed.iso: mode 0600 from its first byte, whole or not there.

        Raises:
            StorageFull, StorageIo: the disk did not take it.
        """
        await asyncio.to_thread(_write, Path(folder), documents)


def _write(folder: Path, documents: SeedDocuments) -> None:
    content = _iso(_files(documents))
    part = folder / f".{SEED_NAME}.part"
    with disk_errors("writing the VM's seed"):
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # The umask may have taken bits away.
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        part.rename(folder / SEED_NAME)
        _sync_folder(folder)


def _files(documents: SeedDocuments) -> dict[str, bytes]:
    """user-data and meta-data are always there; an empty network-config would be read as no network."""
    files = {"user-data": documents.user_data, "meta-data": documents.meta_data}
    if documents.network_config:
        files["network-config"] = documents.network_config
    if documents.vendor_data:
        files["vendor-data"] = documents.vendor_data
    return {name: text.encode() for name, text in files.items()}


def _iso(files: dict[str, bytes]) -> bytes:
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for number, (name, content) in enumerate(files.items()):
        # ISO 9660's own names allow no '-': readers use the Rock Ridge or Joliet name.
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"/F{number:06}.;1",
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=0o100400,
        )
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
