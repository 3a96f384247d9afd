"""Which uploads of which files have begun, so that the next run of the command goes on with them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import cast

_MOST = 100


class UploadMemory:
    """A small file of its own; what cannot be read or written is simply not remembered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, fingerprint: str) -> str:
        """The upload's path at its server; empty where none is known."""
        return self._read().get(fingerprint, "")

    def remember(self, fingerprint: str, upload: str) -> None:
        known = {**self._read(), fingerprint: upload}
        self._write(dict(list(known.items())[-_MOST:]))

    def forget(self, fingerprint: str) -> None:
        known = self._read()
        if known.pop(fingerprint, None) is not None:
            self._write(known)

    def _read(self) -> dict[str, str]:
        try:
            document: object = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return cast("dict[str, str]", document) if isinstance(document, dict) else {}

    def _write(self, known: dict[str, str]) -> None:
        draft = self._path.with_name(self._path.name + ".new")
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(json.dumps(known))
            draft.replace(self._path)
