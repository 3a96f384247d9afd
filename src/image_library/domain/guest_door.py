"""The door of a VM: where its cloud-init tells the node of itself, once, with a token made for it.

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
_POST = (*_KEYS, "instance_id", "hostname", "fqdn")
# What cloud-init sends in place of a key that the guest does not have.
_MISSING = "N/A"
_LONGEST_ID = 128
_LONGEST_NAME = 253


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

    @property
    def is_used(self) -> bool:
        return bool(self.report_digest)

    def is_repeated(self, body: bytes) -> bool:
        """Whether this is the report that was taken, sent again because its answer was lost."""
        return self.report_digest == _digest(body)


def reports_home(documents: SeedDocuments, network: Network) -> bool:
    """Whether the guest can be asked to report to its node without taking anything from its user.

    Not where vendor-data or phone_home is the user's own, nor where the first card has another network than
    the one that the door is in.
    """
    first = network.cards[0]
    reachable = not first.bridge and first.name not in network.enslaved and first.addressing.asks_dhcp4
    return reachable and not documents.vendor_data and "phone_home" not in documents.user_data


def with_door(documents: SeedDocuments, token: Secret) -> SeedDocuments:
    """The documents with vendor-data that makes the guest report; JSON is YAML, so cloud-init reads it."""
    url = f"http://{DOOR_HOST}/{token.reveal()}"
    config = {"phone_home": {"url": url, "post": list(_POST), "tries": TRIES}}
    text = f"#cloud-config\n{json.dumps(config, indent=2)}\n"
    if documents.datasource is Datasource.CONFIG_DRIVE:
        text = json.dumps({"cloud-init": text}, indent=2) + "\n"
    return replace(documents, vendor_data=text)


def read_report(body: bytes, *, at: datetime) -> GuestReport:
    """The report in a form as phone_home posts it. A key that cannot be one is left out.

    Raises:
        NotAReport: it is no such form, or has fields that were not asked for.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=len(_POST)
        )
    except ValueError as error:
        raise NotAReport("It is no form.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() <= set(_POST) or "instance_id" not in fields:
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
