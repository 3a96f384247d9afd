"""``ProvisioningReader`` by the wire's own messages: a profile may say what CreateVM's caller may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from image_library.controlplane.ports.profiles import Said
from image_library.domain.errors import InvalidProfile, printable
from image_library.wire.network import network_from_wire
from image_library.wire.plain_data import UnfitData, message_from
from image_library.wire.provisioning import datasource_from_wire, provisioning_from_wire
from limiquantix.compute.v1.vm_pb import CloudInitConfig, VmSpec

NETWORK = frozenset({"nics", "vlans", "bonds"})


class WireReader:
    """Fulfils ``ports.profiles.ProvisioningReader``."""

    def read(self, data: Mapping[str, Any]) -> Said:
        network = {key: value for key, value in data.items() if key in NETWORK}
        rest = {key: value for key, value in data.items() if key not in NETWORK}
        try:
            spec = message_from(VmSpec, network)
            config = message_from(CloudInitConfig, rest)
        except UnfitData as error:
            raise InvalidProfile(
                f"The provisioning does not fit: {printable(str(error), 200)}.",
                remedy="docs/cloud-init.md lists the fields.",
                field="provisioning",
            ) from None
        return Said(
            provisioning=provisioning_from_wire(config),
            network=network_from_wire(spec),
            datasource=datasource_from_wire(config.datasource),
        )
