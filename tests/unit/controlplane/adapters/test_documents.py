from __future__ import annotations

import json
from dataclasses import replace

import pytest

from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.domain.image import Failure, Image
from image_library.domain.job import Job, JobState
from image_library.domain.node import Node
from image_library.domain.progress import Progress
from image_library.domain.store import DownloadOrder
from image_library.domain.vm import Vm
from tests.fakes.control_values import NOW, a_job, a_node, a_ready_image, a_vm, an_evidence, an_order

VALUES = [
    a_ready_image(labels={"a": "b"}, evidence=an_evidence(), failure=Failure(code="c", message="m")),
    a_job(state=JobState.VERIFYING, progress=Progress(done=1, total=2)),
    a_node(last_heartbeat=NOW, labels={"rack": "7"}),
    an_order(),
    a_vm(),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_from_json_as_it_was(value: Image | Job | Node | DownloadOrder | Vm) -> None:
    assert from_document(type(value), json.loads(json.dumps(to_document(value)))) == value


def test_what_an_older_version_did_not_write_takes_its_default() -> None:
    document = to_document(a_job(waiting_for="x"))
    del document["waiting_for"]
    assert from_document(Job, document) == a_job()


def test_what_a_newer_version_wrote_is_dropped() -> None:
    assert from_document(Job, to_document(a_job()) | {"from_the_future": 1}) == a_job()


def test_fields_can_be_kept_elsewhere() -> None:
    image = a_ready_image()
    document = to_document(image, but=frozenset({"placements"}))
    assert "placements" not in document
    assert from_document(Image, document, placements=()) == replace(image, placements=())
