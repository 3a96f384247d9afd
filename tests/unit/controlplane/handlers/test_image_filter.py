"""Reading what a list of images is asked for."""

from __future__ import annotations

import pytest

from image_library.controlplane.handlers.image_filter import image_filter, support_ended
from image_library.domain.errors import InvalidRequest
from limiquantix.storage.v1.image_pb import ImageSpec, ImageStatus, ListImagesRequest, OsInfo
from limiquantix.storage.v1.trust_pb import TrustLevel


@pytest.mark.parametrize(
    "beyond",
    [
        ListImagesRequest(phases=[ImageStatus.Phase(77)]),
        ListImagesRequest(formats=[ImageSpec.Format(77)]),
        ListImagesRequest(visibilities=[ImageSpec.Visibility(77)]),
        ListImagesRequest(os_families=[OsInfo.OsFamily(77)]),
        ListImagesRequest(trust_levels=[TrustLevel(77)]),
        ListImagesRequest(trust_levels=[TrustLevel.UNSPECIFIED]),
    ],
)
def test_a_number_that_the_contract_does_not_know_is_refused(beyond: ListImagesRequest) -> None:
    with pytest.raises(InvalidRequest):
        image_filter(beyond)


def test_no_is_told_from_not_asked() -> None:
    assert support_ended(ListImagesRequest()) is None
    assert support_ended(ListImagesRequest(support_ended=False)) is False
    assert image_filter(ListImagesRequest()).in_use is None
    assert image_filter(ListImagesRequest(in_use=False)).in_use is False
