"""House rules that no linter knows."""

from __future__ import annotations

import filecmp
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return (ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def offenders(pattern: str, *where: str, but: frozenset[str] = frozenset()) -> list[str]:
    wanted = re.compile(pattern)
    found: list[str] = []
    for path in tracked(*where):
        name = str(path.relative_to(ROOT))
        if name not in but and path != Path(__file__):
            lines = path.read_text(errors="replace").splitlines()
            found += [f"{name}:{n}" for n, line in enumerate(lines, 1) if wanted.search(line)]
    return found


def test_generated_code_is_current(tmp_path: Path) -> None:
    subprocess.run([ROOT / "generate", tmp_path], check=True, capture_output=True)
    for made in ("src/limiquantix", "web/src/gen"):
        compared = filecmp.dircmp(ROOT / made, tmp_path / made, ignore=["__pycache__"])
        assert not list(differences(compared)), "run ./generate and commit the result"


def differences(compared: filecmp.dircmp[str]) -> Iterator[str]:
    yield from compared.left_only + compared.right_only + compared.diff_files
    for inner in compared.subdirs.values():
        yield from differences(inner)


def test_no_test_patches_what_it_tests() -> None:
    assert not offenders(r"mock\.patch|MagicMock|monkeypatch\.setattr", "tests/**.py")


def test_lock_files_name_no_address() -> None:
    assert not offenders(r"https?://|--index-url|--find-links", "requirements/*.txt")


def test_qemu_img_is_run_in_one_room_only() -> None:
    """And in it, in one file: the one that puts it into the jail."""
    room = frozenset({"src/image_library/node/adapters/qemu_img/program.py"})
    assert not offenders(r"""["'](?:/\S*/)?qemu-img["']""", "src/image_library/**.py", but=room)
    others = "src/image_library/node/adapters/qemu_img/*.py"
    starters = frozenset({"src/image_library/node/adapters/qemu_img/disks.py"})
    assert not offenders(r"create_subprocess|subprocess\.|os\.(exec|spawn|posix_spawn)", others, but=starters)


def test_yaml_is_emitted_in_one_room_and_read_from_images_in_another() -> None:
    rooms = frozenset(
        {
            "src/image_library/controlplane/adapters/yaml_documents.py",
            "src/image_library/node/adapters/guest_disk/cloud_config.py",
        }
    )
    assert not offenders(r"^\s*(import yaml|from yaml)", "src/image_library/**.py", but=rooms)


def test_nothing_goes_through_a_shell() -> None:
    assert not offenders(r"shell=True|os\.system|create_subprocess_shell", "src/**.py")


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / document).read_text())
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_what_the_test_image_is_built_with_is_installed_by_the_test_script() -> None:
    installed = {line.partition("=")[2] for line in (ROOT / "tests/packages.txt").read_text().split()}
    needed = set((ROOT / "tests/images/packages.txt").read_text().split())
    # qemu-utils comes with what every machine needs: scripts/setup.sh.
    assert needed - installed == {"qemu-utils"}
