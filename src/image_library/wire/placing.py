"""Placements on the wire."""

from __future__ import annotations

from image_library.domain.placing import PlacementResult
from limiquantix.storage.v1 import image_pb as pb


def result_to_wire(result: PlacementResult) -> pb.PlacementResult:
    message = pb.PlacementResult(
        node_id=result.node.id,
        hostname=result.node.hostname,
        outcome=result.outcome.value,
        job_id=result.job_id,
    )
    if result.error is not None:
        message.error_code, message.error_message = result.error.code, str(result.error)
    return message
