"""How a variant is signed: its fields "signature_kind", "signature_url" and "signing_keys"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from image_library.catalog.keyring import FINGERPRINT
from image_library.catalog.table import Table
from image_library.domain.signature import SignatureKind, SignatureSource, SigningKey

_KINDS = re.compile("|".join(member.value for member in SignatureKind))


def signature_of(
    table: Table, keys: Mapping[str, SigningKey], *, url: str, checksum_url: str
) -> SignatureSource | None:
    """None where the variant names no keys; ``url`` is its "signature_url", as it was judged.

    Raises:
        InvalidCatalog: the fields do not fit together, or a key is in no table of keys.
    """
    named = table.texts("signing_keys", of=FINGERPRINT, default=[])
    kind = table.text("signature_kind", default="", pattern=_KINDS)
    if not named:
        if kind or url:
            table.fail("signing_keys", "is missing: without keys a signature proves nothing")
        return None
    if not checksum_url:
        table.fail("signing_keys", "are for the checksum file of checksum_url")
    if not kind:
        table.fail("signature_kind", "is missing")
    detached = kind == SignatureKind.DETACHED.value
    if detached != bool(url):
        table.fail("signature_url", "belongs to a detached signature, and to no other")
    unknown = next((one for one in named if one not in keys), "")
    if unknown:
        table.fail("signing_keys", f"'{unknown}' is in no table of keys (docs/trust.md)")
    found = tuple(keys[one] for one in dict.fromkeys(named))
    return SignatureSource(kind=SignatureKind(kind), url=url, keys=found)
