"""The guest's file tree: Debian's packages by mmdebstrap, then the settings of a cloud image."""

from __future__ import annotations

import shutil
from pathlib import Path

from .commands import Run
from .sources import SUITE, source_files

HERE = Path(__file__).parents[1]
_UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
# What identifies one machine, or was of use while installing only.
_REMOVED = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "var/lib/dbus/machine-id",
    "var/lib/cloud/*",
    "var/lib/apt/lists/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/log/*.log",
    "tmp/*",
)
# With a System V script beside its unit, "systemctl enable" also runs perl: 3 s of an emulated guest's boot.
_TRIMMED = ("etc/init.d/*", "etc/rc?.d/*")


def make(root: Path, *, trimmed: bool, run: Run) -> None:
    """Fill the new folder "root". Needs root's rights: mmdebstrap's "root" mode, and chroot for systemctl."""
    install_packages(root, run=run)
    settings = ["always", "trimmed"] if trimmed else ["always"]
    for name in settings:
        shutil.copytree(HERE / "guest" / name, root, dirs_exist_ok=True)
    choose_services(root, trimmed=trimmed, run=run)
    remove(root, *_REMOVED, *(_TRIMMED if trimmed else ()))
    # Guests are offline: they have no package source, and "apt-get update" ends at once.
    (root / "etc/apt/sources.list").write_text("")
    # Empty, not missing: the first boot fills it in.
    (root / "etc/machine-id").write_text("")


def install_packages(root: Path, *, run: Run) -> None:
    packages = (HERE / "guest-packages.txt").read_text().split()
    early = HERE / "guest" / "always" / "etc" / "initramfs-tools"
    run(
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _UNREAD),
        # The small initramfs is made while the kernel is installed: its settings must be there before.
        f"--essential-hook=copy-in {early} /etc",
        f"--include={','.join(packages)}",
        SUITE,
        str(root),
        *source_files(),
    )


def choose_services(root: Path, *, trimmed: bool, run: Run) -> None:
    """Follow guest/units.txt, rows of (edition, verb of systemctl, unit)."""
    for row in (HERE / "guest" / "units.txt").read_text().splitlines():
        edition, verb, unit = row.split()
        if trimmed or edition == "always":
            run("chroot", str(root), "systemctl", "--quiet", verb, unit)


def remove(root: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
