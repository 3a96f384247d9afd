"""Messages that are kept say what is true today."""

from __future__ import annotations

from datetime import date

from image_library.controlplane.handlers.image_messages import ImageMessages
from image_library.domain.catalog import Support
from tests.fakes.control_values import a_ready_image


def test_an_unchanged_image_is_the_same_message_until_its_support_ends() -> None:
    says = Support(ends=date(2026, 11, 22))
    messages = ImageMessages(lambda _: says)
    image = a_ready_image().evolve(sequence=7)
    first = messages.of(image)
    assert messages.of(image) is first
    assert first.status is not None
    assert (first.status.support_ends, first.status.end_of_life) == ("2026-11-22", False)
    says = Support(ends=date(2026, 11, 22), ended=True)
    later = messages.of(image)
    assert later.status is not None
    assert later.status.end_of_life
