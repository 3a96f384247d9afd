"""Whatever changes a file of the store goes through one class, so that tests can break all of it."""

from __future__ import annotations

import ast
from pathlib import Path

STORE = Path(__file__).parents[2] / "src/image_library/node/adapters/store"
SEAM = "disk.py"
# Functions of os and shutil, and methods of Path, that change what is on a disk or make it last.
CHANGES = {
    *("link", "symlink", "symlink_to", "hardlink_to", "rename", "renames", "replace", "unlink", "remove"),
    *("mkdir", "makedirs", "rmdir", "removedirs", "rmtree", "mknod", "mkfifo", "touch"),
    *("write", "writev", "pwrite", "pwritev", "sendfile", "copy_file_range", "write_text", "write_bytes"),
    *("truncate", "ftruncate", "posix_fallocate", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range"),
    *("chmod", "fchmod", "lchmod", "chown", "fchown", "lchown", "utime", "setxattr", "removexattr"),
    *("copy", "copy2", "copyfile", "copyfileobj", "copytree", "move"),
}
# The lock decides nothing of what survives: the kernel lets go of it.
MAKES_A_FILE = {"identity.py": 1}


def changes(source: str) -> list[int]:
    """The lines that change a disk by something else than the seam."""
    found: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or node.attr not in CHANGES:
            continue
        of = ast.unparse(node.value)
        if of in ("os", "shutil") or of.rsplit(".", 1)[-1].endswith(("path", "fresh", "trashed", "target")):
            found.append(node.lineno)
    return found


def makes(source: str) -> int:
    """How often a file may be made: ``O_CREAT``, or opening by a mode that writes."""
    tree = ast.walk(ast.parse(source))
    constants = [n.value for n in tree if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    modes = sum(value in ("w", "wb", "a", "ab", "x", "xb", "r+", "r+b", "w+b") for value in constants)
    return source.count("O_CREAT") + modes


def test_the_rule_sees_what_it_forbids() -> None:
    assert changes("os.fsync(fd)\nself.path.unlink()\nself._disk.unlink(path)\nreplace(record)") == [1, 2]
    assert makes("path.open('wb')\nos.open(path, os.O_CREAT)\npath.open('rb')") == 2


def test_the_store_changes_files_through_its_seam_only() -> None:
    files = {path.name: path.read_text() for path in STORE.glob("*.py") if path.name != SEAM}
    assert {name: lines for name, source in files.items() if (lines := changes(source))} == {}
    assert {name: count for name, source in files.items() if (count := makes(source))} == MAKES_A_FILE
