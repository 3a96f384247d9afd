"""qcow2 files whose writer did not close them: some are whole all the same, some are not."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.corpus.good import CLUSTER, DISK, qcow2
from tests.support.corpus.patching import be64, patched

_DIRTY, _FEATURES_AT = 1, 72
_COPIED = 1 << 63
_COUNTS, _L2, _END = 2 * CLUSTER, 4 * CLUSTER, 5 * CLUSTER
SIZE = DISK


def _unclosed(*more: tuple[int, bytes]) -> bytes:
    return patched(qcow2(), (_FEATURES_AT, be64(_DIRTY)), *more)


def _one_cluster(*pointers: int, count: int = 1) -> bytes:
    """The guest's first clusters lie there; the one behind the tables is counted so often."""
    return _unclosed(
        (_COUNTS + 10, count.to_bytes(2, "big")),
        *((_L2 + 8 * number, be64(pointer | _COPIED)) for number, pointer in enumerate(pointers)),
        (_END, b"\x11" * CLUSTER),
    )


# "leaked": counted, and used by nothing.
WHOLE: dict[str, Callable[[], bytes]] = {
    "flag": _unclosed,
    "data": lambda: _one_cluster(_END),
    "leaked": _one_cluster,
}
BROKEN: dict[str, Callable[[], bytes]] = {
    "uncounted": lambda: _one_cluster(_END, count=0),
    "used-twice": lambda: _one_cluster(_END, _END),
    "table-as-data": lambda: _one_cluster(_L2),
    "beyond-the-end": lambda: _one_cluster(1 << 40),
    "not-aligned": lambda: _one_cluster(_END + 512),
    "leaked-and-uncounted": lambda: patched(_one_cluster(), (_COUNTS + 8, bytes(2))),
}


def killed_writer(path: Path) -> None:
    """What is left of a disk with lazy reference counts when its writer is killed."""
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", str(path), str(SIZE)],
        check=True,
    )
    words = ["-c", "write -q -P 17 0 1M", "-c", "flush", "-c", f"sigraise {signal.SIGKILL.value}"]
    ended = subprocess.run(["qemu-io", "-f", "qcow2", *words, str(path)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
