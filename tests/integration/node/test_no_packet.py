"""No packet goes to an address that nobody may fetch from: the kernel counts, in a network of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.denied_addresses import SPELLINGS

ROOT = Path(__file__).parents[3]
APART = ("unshare", "--net")


def why_not() -> str:
    """Why packets cannot be counted here; "" where they can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    missing = [name for name in ("unshare", "ip", "nft") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed"
    tried = subprocess.run([*APART, "nft", "add", "table", "inet", "counted"], capture_output=True, text=True)
    return (tried.stderr.strip() or "nft failed") if tried.returncode else ""


@pytest.mark.timeout(180)
def test_g11_no_packet_goes_to_a_denied_address() -> None:
    if reason := why_not():
        pytest.skip(f"no packets are counted: {reason}")
    done = subprocess.run(
        [*APART, sys.executable, "-m", "tests.support.counted_network"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counted = json.loads(done.stdout)
    print(f"{counted['tried']} URLs in {counted['seconds']:.1f} s")
    assert counted["elsewhere"] == 0
    assert counted["refused"] == counted["tried"] > 3 * len(SPELLINGS)
    # All redirects were followed as far as they may be, and what is counted at all is counted elsewhere too.
    assert counted["followed"] >= 2 * len(SPELLINGS)
    assert counted["server"] > counted["followed"]
    assert counted["elsewhere_when_allowed"] > 0
