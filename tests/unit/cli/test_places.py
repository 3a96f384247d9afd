"""Where the data directory is when nobody, somebody or something odd says so."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from image_library.cli.places import DataDir, home
from image_library.domain.errors import InvalidSettings

OWN = Path(pwd.getpwuid(os.geteuid()).pw_dir)


def test_the_option_goes_before_the_variable() -> None:
    environ = {"LIMIQUANTIX_DATA_DIR": "/srv/other"}
    assert DataDir.chosen(Path("/srv/one"), environ).root == Path("/srv/one")
    assert DataDir.chosen(None, environ).root == Path("/srv/other")


def test_a_relative_directory_is_made_absolute() -> None:
    assert DataDir.chosen(Path("data"), {}).root == Path.cwd() / "data"


def test_an_unknown_user_s_home_is_an_error_of_ours() -> None:
    with pytest.raises(InvalidSettings, match="no such user"):
        DataDir.chosen(Path("~nobody-has-this-name/data"), {})


@pytest.mark.parametrize("named", ["", "relative/home"])
def test_a_home_that_names_no_place_is_looked_up(named: str) -> None:
    assert home({"HOME": named}) == OWN


def test_home_is_what_the_environment_says() -> None:
    assert home({"HOME": "/home/somebody"}) == Path("/home/somebody")
    assert home({}) == OWN
