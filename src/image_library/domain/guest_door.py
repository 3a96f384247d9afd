"""The door of a VM: where its cloud-init tells the node of itself, once, with a token made for it.

A guest without a disk of documents finds them there too, until it has told.
What is posted is what cloud-init's module phone_home sends: a form with the SSH server's public keys, the
instance-id and the host name. https://docs.cloud-init.io/en/latest/reference/modules.html#phone-home
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl

from image_library.domain.errors import InvalidSshKey, printable
from image_library.domain.guest_report import DOOR_HOST, GuestReport
from image_library.domain.network_config import Network
from image_library.domain.secret import Secret
from image_library.domain.ssh_key import parse_public_key
from image_library.domain.vm import Datasource, SeedDocuments

DOOR_PORT = 80
TOKEN_BYTES = 32
# A guest whose network does not lead there is held up by no more than these.
TRIES = 3
_KEYS = ("pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519")
_NAMES = ("instance_id", "hostname", "fqdn")
# What cloud-init sends in place of a key that the guest does not have.
_MISSING = "N/A"
_LONGEST_ID = 128
_LONGEST_NAME = 253


@dataclass(frozen=True, kw_only=True)
class Doorway:
    """How a guest gets to its door."""

    # Up to the token.
    url: str

    @property
    def is_private(self) -> bool:
        """Whether nobody can be in between unnoticed: only host keys that came so are worth something."""
        return self.url == _DIRECT or self.url.startswith("https://")

    @property
    def post(self) -> tuple[str, ...]:
        """What a guest is asked for, and nothing else is taken."""
        return (*_KEYS, *_NAMES) if self.is_private else _NAMES

    def url_for(self, token: Secret) -> str:
        return f"{self.url}/{token.reveal()}"


_DIRECT = f"http://{DOOR_HOST}"
# In no network: QEMU hands over what the guest writes there.
DIRECT = Doorway(url=_DIRECT)
# In a preview: which node it will be is not known yet.
OF_SOME_NODE = Doorway(url="(guest_url)")


@dataclass(frozen=True, kw_only=True)
class Doorways:
    """The ways that a node has."""

    direct: bool = False
    # An address of the node that its operator lets guests get to.
    operator: Doorway | None = None

    def of(self, bridge: str) -> Doorway | None:
        """For a guest whose first card is on that bridge; empty: on none."""
        return DIRECT if self.direct and not bridge else self.operator


class NotAReport(Exception):
    """What was posted is not what phone_home sends."""


@dataclass(frozen=True, kw_only=True)
class DoorLock:
    """What a node keeps of a VM's token: enough to know it again, not enough to use it."""

    # SHA-256 of the token, in hexadecimal; empty: there is no door.
    token_digest: str = ""
    # SHA-256 of the report that used the token up, in hexadecimal.
    report_digest: str = ""

    @classmethod
    def of(cls, token: Secret) -> DoorLock:
        return cls(token_digest=_digest(token.reveal().encode()))

    def fits(self, token: Secret) -> bool:
        shown = _digest(token.reveal().encode("utf-8", "surrogatepass"))
        return bool(self.token_digest) and hmac.compare_digest(self.token_digest, shown)

    def used_by(self, body: bytes) -> DoorLock:
        return replace(self, report_digest=_digest(body))

    def opened(self) -> DoorLock:
        """For one report more."""
        return replace(self, report_digest="")

    @property
    def is_used(self) -> bool:
        return bool(self.report_digest)

    def is_repeated(self, body: bytes) -> bool:
        """Whether this is the report that was taken, sent again because its answer was lost."""
        return self.report_digest == _digest(body)


def reports_home(documents: SeedDocuments, network: Network) -> bool:
    """Whether the guest can be asked to report to its node without taking anything from its user.

    Not where vendor-data or phone_home is the user's own. On a bridge its node has to have an address for it;
    elsewhere the first card has to have one itself.
    """
    first = network.cards[0]
    reachable = first.bridge or (first.name not in network.enslaved and first.addressing.asks_dhcp4)
    return bool(reachable) and may_report(documents.vendor_data, documents.user_data)


def may_report(vendor_data: str, user_data: str) -> bool:
    """Whether the user says nothing of it."""
    return not vendor_data and "phone_home" not in user_data


def with_door(documents: SeedDocuments, doorway: Doorway, token: Secret) -> SeedDocuments:
    """The documents with vendor-data that makes the guest report; JSON is YAML, so cloud-init reads it."""
    config: dict[str, object] = {
        "phone_home": {"url": doorway.url_for(token), "post": list(doorway.post), "tries": TRIES}
    }
    if documents.datasource is Datasource.NOCLOUD_SMBIOS:
        # Else each later boot asks for documents that are gone by then.
        config["manual_cache_clean"] = True
    text = f"#cloud-config\n{json.dumps(config, indent=2)}\n"
    if documents.datasource is Datasource.CONFIG_DRIVE:
        text = json.dumps({"cloud-init": text}, indent=2) + "\n"
    return replace(documents, vendor_data=text)


def smbios_serial(doorway: Doorway, token: Secret) -> str:
    """The machine's serial number that names NoCloud.

    cloud-init before 24.1 takes this name for something local, and passes over what it fetched, unless
    dsmode says otherwise; "nocloud-net", which would say so, is deprecated since. The names of the files are
    put right behind the last sign. https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
    """
    return f"ds=nocloud;dsmode=net;s={doorway.url_for(token)}/"


def served_later(report: GuestReport) -> dict[str, bytes]:
    """What a guest that has reported finds: who it is, so that one which asks again stays the same."""
    known = {"instance-id": report.instance_id, "local-hostname": report.hostname}
    return {"meta-data": json.dumps({key: said for key, said in known.items() if said}).encode()}


def read_report(body: bytes, *, at: datetime, doorway: Doorway = DIRECT) -> GuestReport:
    """The report in a form as phone_home posts it that way. A key that cannot be one is left out.

    Raises:
        NotAReport: it is no such form, or has fields that were not asked for.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=len(doorway.post)
        )
    except ValueError as error:
        raise NotAReport("It is no form.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() <= set(doorway.post) or "instance_id" not in fields:
        raise NotAReport("It has other fields than those that were asked for.")
    return GuestReport(
        instance_id=printable(fields["instance_id"], _LONGEST_ID),
        hostname=printable(fields.get("fqdn") or fields.get("hostname", ""), _LONGEST_NAME),
        host_keys=tuple(filter(None, (_host_key(fields.get(name, _MISSING)) for name in _KEYS))),
        reported_at=at,
    )


def _host_key(text: str) -> str:
    try:
        return replace(parse_public_key(text), comment="").line
    except InvalidSshKey:
        return ""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
