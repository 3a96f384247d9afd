"""Whether a guest without a disk of documents finds them: it has to get to its door before it is told how."""

from __future__ import annotations

from collections.abc import Iterator

from image_library.domain.guest_door import may_report
from image_library.domain.os_info import OsFamily
from image_library.domain.preflight.finding import Finding, amber, green, red
from image_library.domain.preflight.subject import Subject
from image_library.domain.vm import Datasource

_FIELD = "datasource"
_BY_DISK = "Choose NoCloud or ConfigDrive, which come on a disk."


def served(subject: Subject) -> Iterator[Finding]:
    if subject.datasource is not Datasource.NOCLOUD_SMBIOS:
        return
    wrong = [*_image(subject), *_way(subject), *_neighbours(subject)]
    yield from wrong or [green("datasource.served", "The guest finds its documents at its node's door.")]
    if not may_report(subject.asked.vendor_data, subject.asked.user_data) or subject.asked.network_config:
        yield amber(
            "datasource.kept",
            "The guest does not tell its node when its first boot is over: the node gives it the documents "
            "on each boot, until the VM is deleted.",
            "Leave vendor_data, phone_home and network_config out.",
            "vendor_data",
        )


def _neighbours(subject: Subject) -> Iterator[Finding]:
    if any(subject.bridges[:1]):
        yield amber(
            "datasource.readable",
            "On the bridge others can read the documents on their way, unless the node's guest_url is https.",
            _BY_DISK,
            _FIELD,
        )


def _image(subject: Subject) -> Iterator[Finding]:
    found = subject.found
    if subject.os.family is OsFamily.WINDOWS:
        yield red(
            "datasource.windows",
            f"'{subject.image_name}' is told by Cloudbase-Init, which does not look at the serial number.",
            _BY_DISK,
            _FIELD,
        )
    elif found and found.datasources and "NoCloud" not in found.datasources:
        yield red(
            "cloud_init.datasource",
            f"cloud-init in '{subject.image_name}' reads {', '.join(found.datasources)} only, not NoCloud.",
            "Use an image that reads NoCloud, or the datasource that this one reads.",
            _FIELD,
        )


def _way(subject: Subject) -> Iterator[Finding]:
    """As long as cloud-init knows nothing it asks for an address by DHCP, on one card."""
    network = subject.network
    first = network.cards[0]
    if first.name in network.enslaved or not first.addressing.asks_dhcp4:
        yield red(
            "datasource.network",
            "The guest has to be in its network before it can be told what its network is, and nothing gives "
            "its first card an address.",
            f"Let the first card have one by DHCP. {_BY_DISK}",
            _FIELD,
        )
    elif not network.is_plain or subject.asked.network_config:
        yield amber(
            "datasource.network",
            "More than DHCP on one card is asked for. cloud-init before 24.3 reads no network-config from a "
            "URL, and newer ones only when the network is up: cards in use keep their names.",
            _BY_DISK,
            _FIELD,
        )
