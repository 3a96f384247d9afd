"""Debian's publisher as a stand-in: our genuine image at the catalogue's addresses, with true checksums."""

from __future__ import annotations

import hashlib
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.mirror import Mirror

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "src/image_library/catalog/images.toml"
_NEEDS_ROOT = 77


@dataclass(frozen=True, kw_only=True)
class Publication:
    """An image as published: its file, its address and digest, and the checksum file beside it."""

    catalog_id: str
    image: Path
    url: str
    checksum_url: str
    sha512: str

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    def checksums(self, sha512: str | None = None) -> bytes:
        """The checksum file; another digest in the image's row makes a publisher that contradicts itself."""
        rows = {name: hashlib.sha512(name.encode()).hexdigest() for name in _names()}
        rows[self.filename] = sha512 or self.sha512
        return "".join(f"{digest}  {name}\n" for name, digest in sorted(rows.items())).encode()

    def put_on(self, mirror: Mirror) -> None:
        mirror.put(self.url, self.image)
        mirror.put(self.checksum_url, self.checksums())


def debian_image() -> Path:
    """The genuine Debian 12 image, built when it is missing; the asking test is skipped without root."""
    built = subprocess.run([ROOT / "tests/images/build"], capture_output=True, text=True, check=False)
    if built.returncode == _NEEDS_ROOT:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


def publication(image: Path, catalog_id: str = "debian-12", architecture: str = "x86_64") -> Publication:
    """Where the catalogue says that an entry is published, read from the catalogue itself."""
    entries: list[dict[str, Any]] = tomllib.loads(CATALOG.read_text())["image"]
    entry = next(entry for entry in entries if entry["id"] == catalog_id)
    variant = entry["variants"][architecture]
    assert variant["checksum_algorithm"] == "sha512"
    with image.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").hexdigest()
    return Publication(
        catalog_id=catalog_id,
        image=image,
        url=variant["url"],
        checksum_url=variant["checksum_url"],
        sha512=digest,
    )


def _names() -> list[str]:
    """What else lies in the publisher's folder: other uses, architectures and formats of the same release."""
    return [
        f"debian-12-{use}-{architecture}.{form}"
        for use in ("azure", "ec2", "generic", "genericcloud", "nocloud")
        for architecture in ("amd64", "arm64", "ppc64el")
        for form in ("json", "qcow2", "raw", "tar.xz")
    ]
