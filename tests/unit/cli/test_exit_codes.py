from __future__ import annotations

from image_library.cli.exit_codes import BY_KIND, MEANINGS, ExitCode, exit_code
from image_library.domain.errors import BootTimeout, CloudInitFailed, Kind, all_errors


def test_every_error_has_an_exit_code_that_is_not_success() -> None:
    assert all(exit_code(error("x")) is not ExitCode.OK for error in all_errors())


def test_every_kind_is_in_the_table_and_every_code_has_a_meaning() -> None:
    assert set(BY_KIND) == set(Kind)
    assert set(MEANINGS) == set(ExitCode)


def test_trouble_in_a_guest_is_told_from_trouble_around_it() -> None:
    assert exit_code(BootTimeout("x")) is exit_code(CloudInitFailed("x")) is ExitCode.GUEST
