"""Which package sources the image is made from: the machine's own, else mmdebstrap's default."""

from __future__ import annotations

import shutil
import subprocess

SUITE = "bookworm"
_RELEASES = frozenset({SUITE, f"{SUITE}-updates", f"{SUITE}-security"})
# apt's own view of its configuration, whatever the format of its files (apt-get(8), indextargets).
_QUESTION = (
    "apt-get",
    "indextargets",
    "--format",
    "$(SOURCESENTRY)|$(RELEASE)|$(ORIGIN)",
    "Created-By: Packages",
)


def source_files() -> list[str]:
    """The machine's files that name the suite, in order; empty when it has none (another distribution)."""
    if shutil.which("apt-get") is None:
        return []
    asked = subprocess.run(_QUESTION, capture_output=True, text=True, check=False)
    found: list[str] = []
    for line in asked.stdout.splitlines():
        entry, release, origin = line.split("|")
        file = entry.rpartition(":")[0]
        # Before the first "apt-get update" nobody knows an origin: then the release's name must do.
        if release in _RELEASES and origin in ("", "Debian") and file not in found:
            found.append(file)
    return found
