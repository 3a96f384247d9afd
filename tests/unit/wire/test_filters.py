from __future__ import annotations

import pytest

from image_library.domain.errors import InvalidRequest
from image_library.wire.image import format_from_wire, visibility_from_wire
from image_library.wire.os_info import family_from_wire, os_from_wire
from image_library.wire.vm import states_from_wire
from limiquantix.compute.v1.vm_pb import VmStatus
from limiquantix.storage.v1.image_pb import ImageSpec, OsInfo


def test_a_filter_beyond_the_contract_is_refused_and_not_ignored() -> None:
    with pytest.raises(InvalidRequest, match="99"):
        family_from_wire(OsInfo.OsFamily(99))
    with pytest.raises(InvalidRequest, match="99"):
        format_from_wire(ImageSpec.Format(99))
    with pytest.raises(InvalidRequest, match="99"):
        visibility_from_wire(ImageSpec.Visibility(99))


def test_zero_filters_nothing() -> None:
    assert family_from_wire(OsInfo.OsFamily.UNKNOWN) is None
    assert format_from_wire(ImageSpec.Format.RAW) is None
    assert visibility_from_wire(ImageSpec.Visibility.PRIVATE) is None
    assert states_from_wire([VmStatus.PowerState.UNKNOWN]) == frozenset()


def test_what_is_reported_beyond_the_contract_is_unknown() -> None:
    assert os_from_wire(OsInfo(family=OsInfo.OsFamily(99))) == os_from_wire(OsInfo())
