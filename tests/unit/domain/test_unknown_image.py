"""What is proposed for a name that is not known."""

from __future__ import annotations

from image_library.domain.errors import UnknownImage


def test_each_close_name_is_proposed_once() -> None:
    # A catalog id is often an image's name as well.
    known = ("debian-12", "debian-13", "fedora-43", "debian-12")
    assert UnknownImage.named("debain-12", known).remedy == "Did you mean debian-12 or debian-13?"
