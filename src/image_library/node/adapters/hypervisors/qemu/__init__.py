"""The qemu driver: one qemu process a VM, which outlives the daemon and is spoken to over QMP."""
