"""Several VMs that differ in their names only."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.domain.errors import InvalidRequest
from image_library.domain.identity import valid_name
from image_library.domain.image import Failure
from image_library.domain.vm import Vm
from image_library.domain.vm_wish import VmWish

MOST_VMS = 256


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The VM of this name, or why there is none."""

    name: str
    vm: Vm | None = None
    failure: Failure | None = None


def names(wish: VmWish, count: int) -> tuple[str, ...]:
    """NAME-001, NAME-002 and so on; one alone has the name itself.

    Raises:
        InvalidName, InvalidRequest: there cannot be so many VMs of this wish.
    """
    if not 1 <= count <= MOST_VMS:
        raise InvalidRequest(f"1 to {MOST_VMS} VMs are made at once, not {count}.", field="count")
    fixed = any(nic.mac_address or nic.addressing.addresses for nic in wish.network.nics)
    if count > 1 and fixed:
        raise InvalidRequest(
            "A MAC or static address is one VM's alone, and several are asked for.",
            remedy="Leave addresses to DHCP, or make the VMs one by one.",
            field="vm.spec.nics",
        )
    if count == 1:
        return (valid_name(wish.name),)
    return tuple(valid_name(f"{wish.name}-{number:03}") for number in range(1, count + 1))
