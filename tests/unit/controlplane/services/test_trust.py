"""How far a node is believed: never further than its order can prove."""

from __future__ import annotations

import pytest

from image_library.controlplane.services.download_outcome import believed
from image_library.domain.job import JobKind
from image_library.domain.trust import TrustLevel
from tests.fakes.control_values import SHA512, a_job, an_evidence, an_order


@pytest.mark.parametrize(
    ("kind", "order", "level", "source"),
    [
        (JobKind.DOWNLOAD, {"digest": SHA512}, TrustLevel.PINNED, "catalog"),
        (JobKind.DOWNLOAD, {}, TrustLevel.CHECKSUM, "catalog"),
        (JobKind.IMPORT, {"digest": SHA512}, TrustLevel.CHECKSUM, "import"),
        (JobKind.UPLOAD, {"digest": SHA512}, TrustLevel.CHECKSUM, "upload"),
        (JobKind.UPLOAD, {"digest": SHA512, "unverified": True}, TrustLevel.UNVERIFIED, "upload"),
        (JobKind.IMPORT, {"unverified": True}, TrustLevel.UNVERIFIED, "catalog"),
    ],
)
def test_a_node_that_claims_everything_is_believed_what_its_order_proves(
    kind: JobKind, order: dict[str, str], level: TrustLevel, source: str
) -> None:
    claimed = an_evidence(level=TrustLevel.SIGNED, source="catalog", node_id="another")
    kept = believed(claimed, an_order(**order), a_job(kind=kind))
    assert (kept.level, kept.source, kept.node_id) == (level, source, "node-1")
