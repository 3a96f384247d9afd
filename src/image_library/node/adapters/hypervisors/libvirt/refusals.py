"""What libvirt's words mean, when it does not start a machine."""

from __future__ import annotations

import re

from image_library.domain.errors import LibraryError
from image_library.node.adapters.hypervisors.qemu import launcher

# Its own words, a date, and then qemu's.
_QEMU_SAID = re.compile(r"(qemu-system-\w+: .*)", re.DOTALL)


def refusal(said: str) -> LibraryError:
    """The reason is qemu's own where there is one."""
    own = _QEMU_SAID.search(said)
    refused = launcher.refusal(own[1] if own else said)
    refused.remedy = refused.remedy.replace("the VM's qemu.log", "libvirt's log of the domain")
    return refused
