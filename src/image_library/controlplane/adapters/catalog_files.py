"""The signed catalogue in the data directory, and catalogue files as they are read."""

from __future__ import annotations

import base64
import json
import os
from datetime import date
from pathlib import Path

import structlog

from image_library.catalog.loader import load_entries, shipped_entries
from image_library.catalog.signed import parse_signed, written_last
from image_library.controlplane.adapters.data_dir import translated
from image_library.controlplane.ports.catalog_updates import ReadCatalog, StoredCatalog

log = structlog.get_logger()

NAME = "signed-catalog.json"


class CatalogFile:
    """Fulfils ``CatalogStore``: content and signatures in one file, so that they are never mixed."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / NAME

    def load(self) -> StoredCatalog | None:
        try:
            kept = json.loads(self._path.read_bytes())
            content, signatures = (base64.b64decode(kept[name]) for name in ("content", "signatures"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("signed_catalog_unreadable", path=str(self._path), error=str(error))
            return None
        return StoredCatalog(content, signatures)

    def save(self, stored: StoredCatalog) -> None:
        document = {name: base64.b64encode(data).decode() for name, data in vars(stored).items()}
        draft = self._path.with_name(f".{NAME}.{os.getpid()}")
        with translated(self._path):
            try:
                _write(draft, json.dumps(document).encode())
                draft.replace(self._path)
            finally:
                draft.unlink(missing_ok=True)
            _sync_folder(self._path.parent)


class CatalogFiles:
    """Fulfils ``CatalogReader``."""

    def __init__(self, extra: Path | None) -> None:
        """``extra`` is the operator's own file, which counts before everything else."""
        self._extra = extra
        self.shipped_on: date | None = written_last(shipped_entries())

    def read(self, content: bytes) -> ReadCatalog:
        signed = parse_signed(content)
        entries = load_entries(self._extra, between=signed.entries, more_keys=signed.keys)
        return ReadCatalog(terms=signed.terms, entries=entries)


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
