"""The script that a guest's agent runs does to the guest what cleaning does to a copy of its disk."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from image_library.domain.generalisation import MARKS, Action, Mark, cleaning_script
from image_library.domain.image import ImageFormat
from image_library.domain.preflight import Severity
from image_library.node.adapters.jail import Jail, best_wall
from image_library.node.adapters.vm_disks import JailedVmDisks
from image_library.node.ports.capturing import DiskFile
from tests.support.guest_images import SYSTEM, ext, tree
from tests.support.guests_own import EVERYBODYS, OWN

# In a root of its own with this system's programs, but those that change more than files.
_INSIDE = """
set -e
cd "$1"
for place in usr/bin usr/lib usr/lib64 lib lib64; do
  [ -d "/$place" ] || continue
  mkdir -p "$place"
  mount --bind "/$place" "$place"
done
mkdir dev
touch dev/null
mount --bind /dev/null dev/null
exec chroot . /usr/bin/sh -s
"""
# As a distribution that has not merged its folders: the tree's own links lead to programs of its own.
LINKS = {"etc/os-release": "../usr/lib/os-release"}


def cleaned(
    tmp_path: Path, files: dict[str, str | bytes], links: dict[str, str], *, cloud_init: str = ""
) -> Path:
    """The tree, once the script ran in it; skipped where there can be no root of its own."""
    root = tree(tmp_path / "root", files, LINKS | links)
    tool = root / "usr/local/bin/cloud-init"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/usr/bin/sh\necho "$@" >> /cloud-init-was-asked\n' + cloud_init)
    tool.chmod(0o755)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _INSIDE, "sh", root]
    if os.geteuid() != 0:
        pytest.skip("A root of the script's own needs root.")
    done = subprocess.run(command, input=cleaning_script(), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return root


async def test_nothing_of_its_own_is_left_and_all_else_is(tmp_path: Path) -> None:
    odd = {"tmp/a b/'c\nd": "x", "home/debian/.azure/-rf": "x", "home/debian/.ssh/id_ *": "x"}
    files = {**SYSTEM, **OWN, **EVERYBODYS, **odd}
    links = {"var/lib/cloud/instance": "instances/i-1"}
    # As before 23.1; a guest without the file gets no machine id where its root cannot be written to.
    root = cleaned(tmp_path, files, links, cloud_init="rm /etc/machine-id\n")
    assert (root / "cloud-init-was-asked").read_text() == "clean --machine-id --logs\n"
    (root / "cloud-init-was-asked").unlink()
    assert (root / "etc/machine-id").read_bytes() == b""
    assert (root / "var/log/auth.log").read_bytes() == b""
    for name, content in EVERYBODYS.items():
        assert (root / name).read_text() == content
    image = ext(tmp_path / "disk.raw", root, mib=24)
    audit = await JailedVmDisks(Jail(best_wall())).audit((DiskFile(path=str(image), format=ImageFormat.RAW),))
    assert (audit.reason, audit.to_clean) == ("", ())
    kept = {mark.code for mark in MARKS if mark.action is Action.KEEP}
    assert {trace.code for trace in audit.traces} == kept


def test_links_lead_it_nowhere(tmp_path: Path) -> None:
    kept = {"srv/azure/plan": "kept", "srv/keys/id_rsa": "kept", "srv/log/site": "kept", "srv/id": "kept"}
    links = {
        "home/a/.azure": "/srv/azure",
        "home/a/.ssh": "/srv/keys",
        "home/b/.ssh/id_rsa": "/srv/id",
        "var/log/site": "/srv/log",
        "var/lib/dbus/machine-id": "/etc/machine-id",
    }
    root = cleaned(tmp_path, {**SYSTEM, **kept, "etc/machine-id": "uninitialized\n"}, links)
    for name, content in kept.items():
        assert (root / name).read_text() == content
    assert not (root / "home/b/.ssh/id_rsa").is_symlink()
    # As when a disk is read: it is no copy, and this is what cloud-init leaves.
    assert (root / "var/lib/dbus/machine-id").is_symlink()
    assert (root / "etc/machine-id").read_text() == "uninitialized\n"


LINES = (
    *(
        "",
        " ",
        "\n",
        "\t\n",
        "#",
        " # key",
        "ssh-ed25519 AAAA",
        " ssh-rsa",
        "# a\nssh-rsa",
        "ü",
        "uninitialized",
    ),
    *("8c2f5f8e", "8c2f\n", "\n8c2f", 'ATTR{address}=="52:54:00:ab:CD:56"', "52:54:00:ab:cd", "# cloud-init"),
    *("[Match]\nName=e", " [Match]", "Match", "a\0b", "\x01"),
)


@pytest.mark.parametrize("mark", [m for m in MARKS if m.holds and m.action is not Action.KEEP], ids=str)
def test_both_readers_take_a_pattern_alike(mark: Mark, tmp_path: Path) -> None:
    for number, line in enumerate(LINES):
        file = tmp_path / str(number)
        file.write_text(line)
        grep = subprocess.run(["grep", "-Eq", "-e", mark.holds, "--", file], env={"LC_ALL": "C"}, check=False)
        found = re.search(mark.holds, line, re.MULTILINE | re.DOTALL) is not None
        # A file of nothing but line ends is emptied, not grepped.
        if mark.holds != ".":
            assert (grep.returncode == 0) is found, line


@pytest.mark.parametrize("path", ["/etc/a b", "/etc/$(id)", "/etc/`id`", "etc/x", "/etc/x;id", "/etc/'", "/"])
def test_no_other_path_gets_into_it(path: str) -> None:
    mark = Mark(code="odd", meaning="", paths=(path,), action=Action.REMOVE, severity=Severity.RED)
    with pytest.raises(ValueError, match="as it is"):
        cleaning_script((mark,))


@pytest.mark.parametrize("holds", ["it's", "a\nb"])
def test_no_other_pattern_gets_into_it(holds: str) -> None:
    mark = Mark(
        code="odd", meaning="", paths=("/x",), action=Action.REMOVE, severity=Severity.RED, holds=holds
    )
    with pytest.raises(ValueError, match="no word"):
        cleaning_script((mark,))
