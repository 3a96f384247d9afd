"""Settings that are rules about images, for everybody and for single projects."""

from __future__ import annotations

from image_library.cli.setting import SERVERS, Setting

RULES: tuple[Setting, ...] = (
    Setting(
        name="min_trust",
        kind="list",
        variable="LIMIQUANTIX_MIN_TRUST",
        default="`unverified`",
        meaning="How far images must be proved that VMs are made from: `signed`, `pinned`, `checksum` or "
        "`unverified`, and `PROJECT=LEVEL` for single projects (docs/trust.md).",
        programs=SERVERS,
    ),
    Setting(
        name="require_boot_proof",
        kind="list",
        variable="LIMIQUANTIX_REQUIRE_BOOT_PROOF",
        default="`no`",
        meaning="Whether images must be proved to boot before they are public: `yes` or `no`, and "
        "`PROJECT=yes` or `PROJECT=no` for single projects (docs/boot-proof.md).",
        programs=SERVERS,
    ),
)
