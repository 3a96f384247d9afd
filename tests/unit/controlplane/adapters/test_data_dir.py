from __future__ import annotations

import stat
from pathlib import Path

import pytest

from image_library.controlplane.adapters.data_dir import held_data_dir, kept_token
from image_library.domain.errors import DataDirBusy, StoreNotWritable


def test_the_directory_is_private_and_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    with held_data_dir(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        with pytest.raises(DataDirBusy), held_data_dir(path):
            pass
    with held_data_dir(path):
        pass


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreNotWritable), held_data_dir(path):
            pass


def test_a_token_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    token = kept_token(tmp_path / "token")
    assert len(bytes.fromhex(token)) == 32
    assert kept_token(tmp_path / "token") == token
    assert (tmp_path / "token").read_text() == token + "\n"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert kept_token(tmp_path / "join-token") != token
    assert sorted(p.name for p in tmp_path.iterdir()) == ["join-token", "token"]


def test_a_draft_that_a_crash_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".token.1").write_text("half")
    assert len(kept_token(tmp_path / "token")) == 64


def test_an_empty_token_file_locks_everybody_out_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(StoreNotWritable, match="empty"):
        kept_token(tmp_path / "token")
