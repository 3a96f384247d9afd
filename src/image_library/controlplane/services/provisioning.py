"""The documents on a VM's seed: judged, then rendered, the same for preview and for real."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from image_library.controlplane.ports.vms import Documents
from image_library.domain.cloud_init import (
    HEADER,
    HIDDEN,
    GuestIdentity,
    Provisioning,
    hostname_from,
    identity_of,
    judge_raw,
    meta_data_document,
    user_data_document,
    with_instance_id,
    without_secrets,
)
from image_library.domain.errors import InvalidUserData
from image_library.domain.guest_door import DIRECT, OF_SOME_NODE, reports_home, with_door
from image_library.domain.network_config import Network, network_document
from image_library.domain.network_data import network_data
from image_library.domain.os_info import GuestTraits
from image_library.domain.user_data import checked_text, cloud_configs, combine, give_way
from image_library.domain.vm import Datasource, SeedDocuments


@dataclass(frozen=True, kw_only=True)
class Guest:
    """Whom the documents are for."""

    vm_name: str
    # A new one for every VM: it is what makes a guest run its first-boot steps.
    instance_id: str
    image_user: str
    traits: GuestTraits
    network: Network
    datasource: Datasource = Datasource.NOCLOUD


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The documents, and as whom one logs in once the guest has read them."""

    documents: SeedDocuments
    user: str
    # What the documents say of the guest; None where the caller's own user-data says all.
    identity: GuestIdentity | None = None


class SeedRenderer:
    """Renders seeds; knows no network, no database and no clock."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def render(self, asked: Provisioning, guest: Guest, *, hide_secrets: bool = False) -> Seed:
        """The seed for ``guest``; with ``hide_secrets``, without the hashes of passwords.

        Raises:
            InvalidHostname, InvalidUser, InvalidSshKey, InvalidPassword, InvalidGuestSetting,
            InvalidUserData: a value cannot be used.
        """
        judge_raw(asked)
        identity: GuestIdentity | None = None
        if asked.user_data and not asked.has_fields:
            # The caller's document decides who exists; the image's own user is the best guess.
            hostname, user = hostname_from(guest.vm_name), guest.image_user
            user_data = asked.user_data
        else:
            identity = identity_of(
                asked, vm_name=guest.vm_name, image_user=guest.image_user, traits=guest.traits
            )
            identity = without_secrets(identity) if hide_secrets else identity
            hostname, user = identity.hostname, identity.user
            user_data = self._user_data(identity, asked.user_data)
        drive = guest.datasource is Datasource.CONFIG_DRIVE
        make = self._config_drive if drive else self._nocloud
        documents = make(asked, guest, hostname, user_data)
        if not asked.network_config and reports_home(documents, guest.network):
            # Only the node makes the token.
            way = OF_SOME_NODE if guest.network.cards[0].bridge else DIRECT
            shown = with_door(documents, way, HIDDEN)
            documents = shown if hide_secrets else replace(documents, phone_home=True)
        return Seed(documents=documents, user=user, identity=identity)

    def _user_data(self, identity: GuestIdentity, theirs: str) -> str:
        ours = user_data_document(identity)
        if not theirs:
            return checked_text(self._documents.emit(ours, header=HEADER), field="user_data")
        for config in cloud_configs(theirs):
            ours = give_way(ours, self._documents.read(config, field="user_data"))
        return combine(self._documents.emit(ours, header=HEADER), theirs)

    def _nocloud(self, asked: Provisioning, guest: Guest, hostname: str, user_data: str) -> SeedDocuments:
        return SeedDocuments(
            user_data=user_data,
            meta_data=self._meta_data(asked.meta_data, guest.instance_id, hostname),
            network_config=self._network_config(asked.network_config, guest),
            vendor_data=asked.vendor_data,
            datasource=guest.datasource,
        )

    def _config_drive(
        self, asked: Provisioning, guest: Guest, hostname: str, user_data: str
    ) -> SeedDocuments:
        if asked.network_config:
            raise InvalidUserData(
                "A config drive has no network-config of cloud-init's own form.",
                remedy="Give addresses, VLANs and bonds as fields, or choose the datasource NoCloud.",
                field="network_config",
            )
        given = self._documents.read(asked.meta_data, field="meta_data") if asked.meta_data else {}
        meta_data = {
            **{key: value for key, value in given.items() if key not in ("instance-id", "local-hostname")},
            "uuid": str(given.get("instance-id") or guest.instance_id),
            "hostname": str(given.get("local-hostname") or hostname),
            "name": guest.vm_name,
        }
        return SeedDocuments(
            user_data=user_data,
            meta_data=_json(meta_data, field="meta_data"),
            network_config=_json(network_data(guest.network), field="network_config"),
            vendor_data=_json({"cloud-init": asked.vendor_data}, field="vendor_data")
            if asked.vendor_data
            else "",
            datasource=Datasource.CONFIG_DRIVE,
        )

    def _meta_data(self, given: str, instance_id: str, hostname: str) -> str:
        if not given:
            return self._documents.emit(meta_data_document(instance_id=instance_id, hostname=hostname))
        fields = self._documents.read(given, field="meta_data")
        if fields.get("instance-id"):
            return given
        return self._documents.emit(with_instance_id(fields, instance_id))

    def _network_config(self, given: str, guest: Guest) -> str:
        if not given and guest.datasource is Datasource.NOCLOUD_SMBIOS and guest.network.is_plain:
            # What cloud-init does by itself before it is told; a name for a card in use would be a warning.
            return ""
        if not given:
            return self._documents.emit(network_document(guest.network))
        self._documents.read(given, field="network_config")
        return given


def _json(document: Mapping[str, Any], *, field: str) -> str:
    try:
        return json.dumps(document, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError):
        raise InvalidUserData(
            f"{field} holds a value that a config drive cannot, such as a date.", field=field
        ) from None
