"""The documents on a VM's seed: judged, then rendered, the same for preview and for real."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.controlplane.ports.vms import Documents
from image_library.domain.cloud_init import (
    HEADER,
    GuestIdentity,
    Provisioning,
    hostname_from,
    identity_of,
    meta_data_document,
    user_data_document,
    with_instance_id,
)
from image_library.domain.network_config import StaticAddress, network_document
from image_library.domain.os_info import GuestTraits
from image_library.domain.user_data import checked_text, cloud_configs, combine, give_way
from image_library.domain.vm import SeedDocuments


@dataclass(frozen=True, kw_only=True)
class Guest:
    """Whom the documents are for."""

    vm_name: str
    # A new one for every VM: it is what makes a guest run its first-boot steps.
    instance_id: str
    image_user: str
    traits: GuestTraits
    mac_address: str
    addresses: tuple[StaticAddress, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The documents, and as whom one logs in once the guest has read them."""

    documents: SeedDocuments
    user: str


class SeedRenderer:
    """Renders seeds; knows no network, no database and no clock."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def render(self, asked: Provisioning, guest: Guest) -> Seed:
        """The seed for ``guest``.

        Raises:
            InvalidHostname, InvalidUser, InvalidSshKey, InvalidUserData: a value cannot be used.
        """
        for name in ("user_data", "meta_data", "network_config", "vendor_data"):
            checked_text(getattr(asked, name), field=name)
        if asked.user_data and not asked.has_fields:
            # The caller's document decides who exists; the image's own user is the best guess.
            hostname, user = hostname_from(guest.vm_name), guest.image_user
            user_data = asked.user_data
        else:
            identity = identity_of(
                asked, vm_name=guest.vm_name, image_user=guest.image_user, traits=guest.traits
            )
            hostname, user = identity.hostname, identity.user
            user_data = self._user_data(identity, asked.user_data)
        documents = SeedDocuments(
            user_data=user_data,
            meta_data=self._meta_data(asked.meta_data, guest.instance_id, hostname),
            network_config=self._network_config(asked.network_config, guest),
            vendor_data=asked.vendor_data,
        )
        return Seed(documents=documents, user=user)

    def _user_data(self, identity: GuestIdentity, theirs: str) -> str:
        ours = user_data_document(identity)
        if not theirs:
            return checked_text(self._documents.emit(ours, header=HEADER), field="user_data")
        for config in cloud_configs(theirs):
            ours = give_way(ours, self._documents.read(config, field="user_data"))
        return combine(self._documents.emit(ours, header=HEADER), theirs)

    def _meta_data(self, given: str, instance_id: str, hostname: str) -> str:
        if not given:
            return self._documents.emit(meta_data_document(instance_id=instance_id, hostname=hostname))
        fields = self._documents.read(given, field="meta_data")
        if fields.get("instance-id"):
            return given
        return self._documents.emit(with_instance_id(fields, instance_id))

    def _network_config(self, given: str, guest: Guest) -> str:
        if not given:
            return self._documents.emit(network_document(guest.mac_address, guest.addresses))
        self._documents.read(given, field="network_config")
        return given
