"""Where things lie in a data directory. The only place that builds these paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    root: Path

    @property
    def cloud_images(self) -> Path:
        """Readable names: links that the node keeps, and files that operators put here."""
        return self.root / "cloud-images"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs" / "sha256"

    @property
    def trash(self) -> Path:
        """What is about to be removed; beside the blobs, so that moving there is renaming."""
        return self.root / "blobs" / "trash"

    @property
    def quarantine(self) -> Path:
        """Blobs whose bytes are not what their names say: kept to be looked at, never used."""
        return self.root / "blobs" / "quarantine"

    @property
    def parts(self) -> Path:
        return self.root / "parts"

    @property
    def vms(self) -> Path:
        return self.root / "vms"

    @property
    def journal(self) -> Path:
        return self.root / "journal.db"

    @property
    def store_id(self) -> Path:
        return self.root / "store-id"

    @property
    def blobs_store_id(self) -> Path:
        """A second copy: "blobs" may be a mount of its own, which can be missing."""
        return self.root / "blobs" / "store-id"

    @property
    def folder_store_id(self) -> Path:
        """A third copy: operators may mount or replace the folder of readable names by itself."""
        return self.cloud_images / ".store-id"

    @property
    def node_id(self) -> Path:
        """A second copy of what the journal says: a node that has lost its journal is still itself."""
        return self.root / "node-id"

    @property
    def lock(self) -> Path:
        return self.root / "node.lock"

    def blob(self, sha256: str) -> Path:
        return self.blobs / sha256[:2] / sha256

    def part(self, key: str) -> Path:
        return self.parts / f"{key}.part"

    @staticmethod
    def part_key(name: str) -> str:
        """Of a file in ``parts``: a part, or what came early for it (KEY.part.OFFSET)."""
        return name.partition(".")[0]

    def link_target(self, sha256: str) -> str:
        """What a readable link says: relative, so that the directory can be moved."""
        return f"../blobs/sha256/{sha256[:2]}/{sha256}"

    def linked_digest(self, link: Path) -> str:
        """The hexadecimal digest that a link of ours leads to; "" where it is not ours."""
        try:
            target = str(link.readlink())
        except OSError:
            return ""
        name = target.rsplit("/", 1)[-1]
        return name if target == self.link_target(name) else ""
