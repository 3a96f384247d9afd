"""The only room that runs qemu-img."""

from image_library.node.adapters.qemu_img.changes import QemuImgChanges
from image_library.node.adapters.qemu_img.disks import QemuImg
from image_library.node.adapters.qemu_img.images import QemuImgImages

__all__ = ["QemuImg", "QemuImgChanges", "QemuImgImages"]
