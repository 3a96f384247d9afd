"""What came out of a refresh, on the wire."""

from __future__ import annotations

from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.refresh import Freshness, RefreshReport
from limiquantix.storage.v1.image_pb import RefreshResult

OUTCOMES = {
    Freshness.UP_TO_DATE: "up_to_date",
    Freshness.NEWER_AVAILABLE: "newer",
    Freshness.UNKNOWN: "unknown",
}


def refresh_to_wire(
    image: Image, report: RefreshReport, *, message: str, job: Job | None, error_code: str
) -> RefreshResult:
    return RefreshResult(
        catalog_id=image.catalog_id,
        architecture=image.os.architecture,
        outcome=OUTCOMES[report.freshness],
        message=message,
        job_id=job.id if job else "",
        release=report.answer.name if report.answer else "",
        pruned_image_ids=[version.id for version in report.prune],
        error_code=error_code,
        name=image.name,
        image_id=image.id,
        node_id=job.node_id if job else "",
    )
