from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from image_library.cli import keys
from image_library.cli.places import DataDir
from image_library.domain.errors import InvalidSshKey, StoreNotWritable

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH4vS56fV828XNDBytj/p5KZ4eNvGCrPcegW9jdfhJOL me@here"


def written(path: Path, text: str = LINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return path


def chosen(given: str, tmp_path: Path) -> keys.Key:
    return keys.chosen(given, DataDir(tmp_path / "data"), tmp_path / "home")


def test_the_users_own_key_is_taken_in_the_order_of_openssh(tmp_path: Path) -> None:
    written(tmp_path / "home/.ssh/id_rsa.pub", "no key at all")
    written(tmp_path / "home/.ssh/id_ed25519.pub")
    key = chosen("", tmp_path)
    assert key.public == (LINE,)
    assert key.identity is None


def test_a_public_key_file_brings_the_private_key_beside_it(tmp_path: Path) -> None:
    public, private = written(tmp_path / "k.pub"), written(tmp_path / "k", "secret")
    assert chosen(str(public), tmp_path).identity == private
    assert chosen(str(private), tmp_path).public == (LINE,)


def test_a_key_can_be_given_as_its_one_line(tmp_path: Path) -> None:
    assert chosen(LINE, tmp_path).public == (LINE,)


@pytest.mark.parametrize(
    "text", ["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "ssh-ed25519 AAAA me", "ssh-dss AAAA"]
)
def test_what_is_no_public_key_is_refused_without_being_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSshKey) as refused:
        chosen(str(written(tmp_path / "bad", text)), tmp_path)
    assert "AAAA" not in str(refused.value)
    assert "cannot be used" in refused.value.message


def test_a_private_key_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidSshKey, match="private key"):
        chosen(str(written(tmp_path / "bad", "-----BEGIN OPENSSH PRIVATE KEY-----\nx")), tmp_path)


def test_binary_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(InvalidSshKey):
        chosen(str(tmp_path / "bad"), tmp_path)


def test_a_key_is_made_private_and_usable_by_openssh(tmp_path: Path) -> None:
    key = chosen("", tmp_path)
    assert key.made
    assert key.identity is not None
    assert stat.S_IMODE(key.identity.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.identity.parent.stat().st_mode) == 0o700
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(key.identity)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[:2] == key.public[0].split()[:2]
    assert not chosen("", tmp_path).made


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreNotWritable):
        chosen("", tmp_path)
