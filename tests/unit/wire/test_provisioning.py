"""What a guest is told, as clients ask for it."""

from __future__ import annotations

import pytest

from image_library.domain.errors import InvalidRequest
from image_library.wire.provisioning import datasource_from_wire, provisioning_from_wire
from limiquantix.compute.v1.vm_pb import CloudInitConfig


@pytest.mark.parametrize(
    ("asked", "field"),
    [('{"users": [{"privilege": 7}]}', "privilege"), ('{"growth": 7}', "growth")],
)
def test_a_number_that_stands_for_nothing_is_refused(asked: str, field: str) -> None:
    with pytest.raises(InvalidRequest, match=field):
        provisioning_from_wire(CloudInitConfig.from_json(asked))


def test_a_datasource_that_there_is_not_is_refused() -> None:
    assert datasource_from_wire(CloudInitConfig().datasource) is None
    with pytest.raises(InvalidRequest, match="datasource"):
        datasource_from_wire(CloudInitConfig.from_json('{"datasource": 7}').datasource)
