"""What an image was made of. Words only, so that an image can tell it."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.domain.hardware import Hardware
from image_library.domain.trust import TrustLevel


@dataclass(frozen=True, kw_only=True)
class CapturedFrom:
    """The VM that an image was made of as a template."""

    vm_id: str
    vm_name: str
    # Its disk's copy was cleaned of what was the VM's own.
    cleaned: bool = False
    # The codes of what was found in the template and is not as it should be; none: it is generalised.
    left: tuple[str, ...] = ()
    # It ran: its file systems were frozen while its disk was copied.
    frozen: bool = False


@dataclass(frozen=True, kw_only=True)
class ConvertedFrom:
    """The file that an image was made of: the publisher's, as it came, or another image. Size in bytes.

    Of a template it is the image below the captured VM's disk; without a digest there is none.
    """

    # Such as "vmdk".
    format: str
    # What that file was compressed with as a whole, such as "xz"; empty: it was not.
    packing: str = ""
    # "sha256:HEX" of that file.
    digest: str
    size_bytes: int
    # Its sha512 in hexadecimal, where that was counted.
    sha512: str = ""
    # What it was to become: a format, with "+zstd" where it is compressed inside.
    shape: str = ""
    # Of another image: how far that was proved. It proves nothing of this one.
    trust: TrustLevel | None = None
    # Of an appliance (OVA): the machine that it describes.
    hardware: Hardware | None = None
    captured: CapturedFrom | None = None
