"""The machine that an appliance (OVA) was exported from, as its description tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Zero or empty where nothing is said."""

    cpus: int = 0
    memory_mib: int = 0
    # "bios" or "efi".
    firmware: str = ""
    disk_capacity_bytes: int = 0
    # The exporter's own words, such as "Debian GNU/Linux 12 (64-bit)".
    os_type: str = ""
    network_cards: int = 0
