"""Every setting of a node, judged once. The environment is not read here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from image_library.domain.bridges import MOST_BRIDGES, is_bridge_name
from image_library.domain.errors import InvalidSettings, ListenDenied, printable
from image_library.domain.qcow2 import MAX_VIRTUAL_SIZE

MOST_SCRUB = 100_000
MOST_CONNECTIONS = 16
HYPERVISORS = ("qemu", "libvirt")
LOCAL_URIS = ("qemu:///", "qemu+unix:///")
# Nothing in it can end a word of cloud-init's, of QEMU's or of YAML's.
_GUEST_URL = re.compile(r"https?://([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(:[0-9]{1,5})?")
ACCELERATORS = ("auto", "kvm", "tcg")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``checked`` raises for what cannot be used."""

    data_dir: Path
    control_plane_url: str
    # What control plane and nodes show each other.
    join_token: str = field(repr=False)
    # HOST:PORT of the gRPC service; port 0 picks a free one. An IPv6 host stands in brackets.
    listen: str = "127.0.0.1:0"
    # HOST:PORT at which the control plane reaches it, where that is another one.
    advertise: str = ""
    # Empty: the machine's own.
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    # https://HOST/PATH is fetched from MIRROR/HOST/PATH; "PLACE=MIRROR" is for one publisher.
    mirror: tuple[str, ...] = ()
    # Mirrors that only carry bytes whose digest the publisher states.
    image_mirrors: tuple[str, ...] = ()
    # Hosts and networks that may be fetched from although they are private.
    allow_sources: tuple[str, ...] = ()
    # Hosts and networks that nothing is fetched from; "*": whatever is not allowed.
    deny_sources: tuple[str, ...] = ()
    # "PLACE=FILE": PEM bundles, and files that hold a credential.
    source_ca: tuple[str, ...] = ()
    source_credentials: tuple[str, ...] = ()
    # 0: any number.
    connections_per_host: int = 4
    # At most, for one image; 1: never several.
    download_connections: int = 4
    # 0: as fast as can be.
    download_mib_per_second: int = 0
    # Bytes; an image that claims more is refused.
    max_virtual_size: int = MAX_VIRTUAL_SIZE
    # Start programs that read foreign bytes also where nothing can shut them in; limits still hold.
    allow_unjailed: bool = False
    # Published blobs are read again so slowly, in MiB a second (0: never), and each so often, in days.
    scrub_rate: int = 20
    scrub_interval: int = 7
    # "auto", "kvm" or "tcg".
    accelerator: str = "auto"
    # "qemu" or "libvirt".
    hypervisor: str = "qemu"
    # A daemon on this host.
    libvirt_uri: str = "qemu:///system"
    # Bridges of this host that VMs may be on.
    bridges: tuple[str, ...] = ()
    # HOST:PORT of this host, which guests on bridges reach, and its URL as they see it; empty: there is none.
    guest_listen: str = ""
    guest_url: str = ""
    # What is shown there where the URL is https.
    guest_tls_cert: Path | None = None
    guest_tls_key: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    # The authority that the control plane's certificate is judged by; None: the system's.
    control_plane_ca: Path | None = None
    # What the data directory holds now is the node's store, whatever it was before.
    accept_store: bool = False
    # Serve without encryption off loopback too: for a network that is encrypted below.
    allow_plaintext: bool = False

    @property
    def listen_host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def listen_port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    def checked(self) -> Settings:
        """These settings, if they can be used together.

        Raises:
            InvalidSettings: a value has the wrong form.
            ListenDenied: the address may not be served this way.
        """
        _check_address("listen", self.listen)
        if self.advertise:
            _check_address("advertise", self.advertise)
        if not self.join_token:
            raise InvalidSettings("A node needs the control plane's join token.", field="join_token")
        if not self.control_plane_url.startswith(("http://", "https://")):
            raise InvalidSettings("The control plane's URL must be http or https.", field="control_plane_url")
        if self.accelerator not in ACCELERATORS:
            known = ", ".join(ACCELERATORS)
            raise InvalidSettings(f"'{printable(self.accelerator)}' is none of {known}.", field="accel")
        _check_hypervisor(self)
        _check_bridges(self.bridges)
        _check_guest_address(self)
        for name, number in (("scrub_rate", self.scrub_rate), ("scrub_interval", self.scrub_interval)):
            if not 0 <= number <= MOST_SCRUB:
                raise InvalidSettings(f"{name} must be 0 to {MOST_SCRUB}.", field=name)
        if not 1 <= self.download_connections <= MOST_CONNECTIONS:
            raise InvalidSettings(
                f"download_connections must be 1 to {MOST_CONNECTIONS}.", field="download_connections"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidSettings("tls_cert and tls_key belong together.", field="tls_cert")
        if self.tls_cert is None and not (self.allow_plaintext or _is_loopback(self.listen_host)):
            raise ListenDenied(f"A node does not serve on {self.listen_host} without TLS.", field="listen")
        return self


def _check_guest_address(settings: Settings) -> None:
    """Raises InvalidSettings: what guests on bridges are to report to cannot be used like this."""
    listen, url = settings.guest_listen, settings.guest_url
    if not listen and not url:
        return
    if not listen or not url:
        raise InvalidSettings("guest_listen and guest_url belong together.", field="guest_url")
    _check_address("guest_listen", listen)
    if not _GUEST_URL.fullmatch(url):
        raise InvalidSettings(
            f"'{printable(url)}' is no URL for guests.",
            remedy="Use http://HOST:PORT or https://HOST:PORT, with nothing behind it.",
            field="guest_url",
        )
    if _is_everywhere(listen.rpartition(":")[0].strip("[]")):
        raise InvalidSettings(
            "guest_listen is for the networks of guests only, not for all that the host is in.",
            remedy="Name the host's own address on the bridge.",
            field="guest_listen",
        )
    if url.startswith("https://") and not (settings.guest_tls_cert and settings.guest_tls_key):
        raise InvalidSettings("A guest_url of https needs tls_cert and tls_key.", field="guest_url")


def _is_everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _check_hypervisor(settings: Settings) -> None:
    if settings.hypervisor not in HYPERVISORS:
        known = ", ".join(HYPERVISORS)
        raise InvalidSettings(f"'{printable(settings.hypervisor)}' is none of {known}.", field="hypervisor")
    if not settings.libvirt_uri.startswith(LOCAL_URIS):
        raise InvalidSettings(
            f"'{printable(settings.libvirt_uri)}' is no QEMU of this host, where the VMs' files are.",
            remedy="Use qemu:///system or qemu:///session.",
            field="libvirt_uri",
        )


def _check_bridges(bridges: tuple[str, ...]) -> None:
    odd = next((name for name in bridges if not is_bridge_name(name)), None)
    if odd is not None:
        raise InvalidSettings(f"'{printable(odd)}' cannot be a bridge's name.", field="bridges")
    if len(bridges) > MOST_BRIDGES:
        raise InvalidSettings(f"VMs may be on {MOST_BRIDGES} bridges of a node at most.", field="bridges")


def _check_address(name: str, text: str) -> None:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidSettings(f"'{printable(text)}' is not HOST:PORT.", field=name)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
