"""Placements on the wire."""

from __future__ import annotations

from image_library.domain.placing import Check, PlacementResult
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


def check_to_wire(check: Check) -> pb.VerifyImageProgress:
    return pb.VerifyImageProgress(
        node_id=check.node_id,
        bytes_done=check.done,
        bytes_total=check.total,
        result=check.result,
        error=check.error.message if check.error else "",
        error_code=check.error.code if check.error else "",
    )
