"""All of the hostile corpus."""

from __future__ import annotations

from tests.support.corpus import hostile_mixed, hostile_others, hostile_qcow2, hostile_vmdk
from tests.support.corpus.rows import Hostile

HOSTILE: tuple[Hostile, ...] = (
    *hostile_qcow2.ROWS,
    *hostile_vmdk.ROWS,
    *hostile_others.ROWS,
    *hostile_mixed.ROWS,
)
