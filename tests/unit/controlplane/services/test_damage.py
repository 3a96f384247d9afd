"""What is said of a damaged copy names what brings it again."""

from __future__ import annotations

import pytest

from image_library.controlplane.services.damage import damage
from tests.fakes.control_values import a_copy, a_node, a_ready_image


@pytest.mark.parametrize(
    ("origin", "nodes", "by_upload"),
    [
        ("upload", ("node-1",), True),
        ("upload", ("node-1", "node-2"), False),
        ("https://example.org/golden.qcow2", ("node-1",), False),
    ],
)
def test_only_what_somebody_must_send_is_asked_for(
    origin: str, nodes: tuple[str, ...], by_upload: bool
) -> None:
    image = a_ready_image(name="golden", origin=origin, placements=tuple(a_copy(node) for node in nodes))
    error = damage(image, a_node("node-1"))
    assert (error.code, "golden" in error.message) == ("image.damaged", True)
    assert error.remedy.startswith("Upload the same file again") is by_upload
