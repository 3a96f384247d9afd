from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from image_library.cli.setting import EVERY_PROGRAM
from image_library.cli.settings import Settings, resolve
from image_library.cli.settings_table import TABLE
from image_library.controlplane.settings import Settings as ControlPlaneSettings
from image_library.domain.errors import InvalidSettings
from image_library.node.settings import Settings as NodeSettings


def resolved(
    data_dir: Path,
    program: str = "up",
    *,
    environ: dict[str, str] | None = None,
    file: Path | None = None,
    **options: Any,
) -> Settings:
    return resolve(program, data_dir=data_dir, file=file, environ=environ or {}, options=options)


def test_without_anything_every_setting_is_left_to_the_program(tmp_path: Path) -> None:
    assert resolved(tmp_path) == Settings(data_dir=tmp_path)


def test_the_option_wins_over_the_variable_and_the_variable_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('mirror = "http://file"\n')
    environ = {"LIMIQUANTIX_MIRROR": "http://variable"}
    assert resolved(tmp_path).mirror == ("http://file",)
    assert resolved(tmp_path, environ=environ).mirror == ("http://variable",)
    assert resolved(tmp_path, environ=environ, mirror=("http://option",)).mirror == ("http://option",)


def test_lists_come_from_options_commas_and_toml(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('allow_sources = ["a", "b"]\n')
    assert resolved(tmp_path).allow_sources == ("a", "b")
    environ = {"LIMIQUANTIX_ALLOW_SOURCES": "10.0.0.0/8, c"}
    assert resolved(tmp_path, environ=environ).allow_sources == ("10.0.0.0/8", "c")
    assert resolved(tmp_path, allow_sources=("d",)).allow_sources == ("d",)


def test_one_file_serves_all_programs(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('mirror = "http://m"\nauth = false\n')
    assert resolved(tmp_path, "node").mirror == ("http://m",)
    assert resolved(tmp_path, "controlplane") == Settings(data_dir=tmp_path, auth=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mirrror = 'x'", "unknown setting 'mirrror'"),
        ("mirror = 3", "'mirror' in the settings file is not usable: a list of texts is wanted"),
        ("auth = 'maybe'", "true or false is wanted"),
        ("allow_sources = [1]", "a list of texts is wanted"),
        ("accel = 'magic'", "auto or kvm or tcg is wanted"),
        ("refresh = 'often'", "off or check or fetch is wanted"),
        ("keep_versions = 'all'", "a whole number is wanted"),
        ("max_virtual_size = 'huge'", "is not a size"),
        ("= x", "is not TOML"),
        ("\x00", "is not TOML"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_in_the_message(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        resolved(tmp_path)
    assert said in refused.value.message


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        resolved(tmp_path, file=tmp_path / "none.toml")


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="LIMIQUANTIX_AUTH is not usable"):
        resolved(tmp_path, environ={"LIMIQUANTIX_AUTH": "perhaps"})


def test_every_row_of_the_table_is_a_setting_of_some_program() -> None:
    known = set(Settings.__dataclass_fields__) - {"data_dir", "numbers", "accept_store"}
    assert {row.name for row in TABLE if row.kind != "number"} == known
    programs = set(ControlPlaneSettings.__dataclass_fields__) | set(NodeSettings.__dataclass_fields__)
    assert {row.name for row in TABLE if row.kind == "number"} <= programs
    assert all(set(row.programs) <= set(EVERY_PROGRAM) for row in TABLE)
    assert len({row.variable for row in TABLE}) == len(TABLE)
