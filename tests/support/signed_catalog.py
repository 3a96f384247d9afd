"""Signed catalogues, as whoever publishes one makes them."""

from __future__ import annotations

from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from image_library.domain.signed_catalog import signed_bytes, write_key, write_signature

ENTRY = """
[[image]]
id = "{id}"
name = "{name}"
distribution = "debian"
version = "12"
default_user = "debian"
min_disk_gib = 3
min_memory_mib = 512

[image.variants.x86_64]
url = "https://images.example.org/{id}.qcow2"
checksum_url = "https://images.example.org/SUMS"
checksum_algorithm = "sha256"
firmware = ["bios"]
"""


class CatalogKey:
    def __init__(self) -> None:
        self._secret = Ed25519PrivateKey.generate()
        self.public = self._secret.public_key().public_bytes_raw()

    @property
    def text(self) -> str:
        """As in catalog_keys."""
        return write_key(self.public)

    def sign(self, content: bytes) -> bytes:
        return self.sign_plain(signed_bytes(content))

    def sign_plain(self, data: bytes) -> bytes:
        """Signs exactly these bytes, without what belongs in front of a catalogue."""
        return write_signature(self.public, self._secret.sign(data)).encode()


def catalog(
    version: int = 1,
    *,
    written: date = date(2026, 11, 25),
    expires: date = date(2027, 3, 5),
    name: str = "Ours",
    catalog_id: str = "ours",
    more: str = "",
) -> bytes:
    """A catalogue of one image; with these dates it lives a hundred days."""
    head = f"version = {version}\nwritten = {written}\nexpires = {expires}\n{more}"
    return (head + ENTRY.format(id=catalog_id, name=name)).encode()
