"""The settings of who runs VMs, and what they may be on."""

from __future__ import annotations

from image_library.cli.setting import WITH_NODE, Setting

OF_VMS: tuple[Setting, ...] = (
    Setting(
        name="accel",
        kind="auto|kvm|tcg",
        option="--accel auto|kvm|tcg",
        variable="LIMIQUANTIX_ACCEL",
        default="`auto`",
        meaning="How QEMU runs guests; `auto` takes KVM where it really works.",
        programs=WITH_NODE,
    ),
    Setting(
        name="hypervisor",
        kind="qemu|libvirt",
        variable="LIMIQUANTIX_HYPERVISOR",
        default="`qemu`",
        meaning="Who runs VMs: QEMU started by the node itself, or libvirt (docs/machines.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="libvirt_uri",
        kind="text",
        variable="LIMIQUANTIX_LIBVIRT_URI",
        default="`qemu:///system`",
        meaning="libvirt's daemon on this host; `qemu:///session` is the user's own.",
        programs=WITH_NODE,
    ),
    Setting(
        name="bridges",
        kind="list",
        variable="LIMIQUANTIX_BRIDGES",
        default="none",
        meaning="Bridges of the node that VMs' network cards may be on (docs/machines.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="guest_listen",
        kind="text",
        variable="LIMIQUANTIX_GUEST_LISTEN",
        default="none",
        meaning="`HOST:PORT` of the host where guests on bridges report, and find documents, by one-time "
        "tokens (docs/cloud-init.md); an address that only they reach.",
        programs=WITH_NODE,
    ),
    Setting(
        name="guest_url",
        kind="text",
        variable="LIMIQUANTIX_GUEST_URL",
        default="none",
        meaning="The same as guests see it, such as `http://192.0.2.1:8780`. With `https` it shows "
        "`tls_cert`, and only then are host keys taken.",
        programs=WITH_NODE,
    ),
)
