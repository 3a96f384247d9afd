"""Reading an OVF descriptor: which disk it names, and the machine it tells of. Entities and DTDs are refused.

Source: DMTF DSP0243, "Open Virtualization Format Specification" 1.1 and 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.sax import parseString

from image_library.domain.errors import UnsafeMetadata, UnsupportedArchive, UnsupportedFeature, printable
from image_library.domain.guest_facts import tidy
from image_library.domain.hardware import Hardware

MAX_BYTES = 1 << 20
_MAX_ELEMENTS = 20_000
_MAX_DEPTH = 64
_MAX_TEXT = 1024
_CPU, _MEMORY, _NETWORK = "3", "4", "10"
_UNITS = re.compile(r"byte\s*\*\s*2\^(\d{1,2})")
_NAMED_UNITS = {"byte": 0, "kilobytes": 10, "kb": 10, "megabytes": 20, "mb": 20, "gigabytes": 30, "gb": 30}
_NUMBER = re.compile(r"\d{1,18}")


@dataclass
class Descriptor:
    """What was read. ``disk`` is the name of the file with the one disk that is not empty."""

    disk: str
    hardware: Hardware


@dataclass
class _Seen:
    files: dict[str, str] = field(default_factory=dict[str, str])
    disks: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    systems: int = 0
    items: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    os_type: str = ""
    firmware: str = ""


def read_descriptor(text: bytes, *, name: str) -> Descriptor:
    """What the descriptor says.

    Raises:
        UnsafeMetadata: it is no XML, or XML made to exhaust or to fetch.
        UnsupportedArchive: it does not describe one machine with one disk in the archive itself.
        UnsupportedFeature: the disk is packed once more or cut into pieces.
    """
    seen = _Seen()
    try:
        parseString(text, _Handler(seen, name), forbid_dtd=True)
    except DefusedXmlException as error:
        raise UnsafeMetadata(f"{name} has a descriptor with a DTD or entities.") from error
    except (SAXException, ValueError, LookupError) as error:
        raise UnsafeMetadata(f"{name} has a descriptor that is no XML.") from error
    if seen.systems != 1:
        raise UnsupportedArchive(f"{name} describes {seen.systems} machines.")
    named = [(file, size) for file, size in seen.disks if file]
    if len(named) != 1 or named[0][0] not in seen.files:
        raise UnsupportedArchive(f"{name} describes a machine with {len(named)} disks in files.")
    file, capacity = named[0]
    return Descriptor(disk=seen.files[file], hardware=_hardware(seen, capacity))


class _Handler(ContentHandler):
    def __init__(self, seen: _Seen, name: str) -> None:
        super().__init__()
        self._seen = seen
        self._name = name
        self._open: list[str] = []
        self._text = ""
        self._elements = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        kind = _local(name)
        self._open.append(kind)
        self._text = ""
        self._elements += 1
        if len(self._open) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise UnsafeMetadata(f"{self._name} has a descriptor that is too deep or too long.")
        self._begin(kind, {_local(key): value for key, value in attrs.items()})

    def characters(self, content: str) -> None:
        self._text += content[: _MAX_TEXT - len(self._text)]

    def endElement(self, name: str) -> None:  # noqa: N802
        kind = self._open.pop()
        above = self._open[-1] if self._open else ""
        if above in ("Item", "StorageItem", "EthernetPortItem") and self._seen.items:
            self._seen.items[-1][kind] = self._text.strip()
        elif above == "OperatingSystemSection" and kind == "Description":
            self._seen.os_type = tidy(self._text.strip())

    def _begin(self, kind: str, values: Mapping[str, str]) -> None:
        seen = self._seen
        if kind == "File":
            self._file(values)
        elif kind == "Disk" and "DiskSection" in self._open:
            capacity = _amount(values.get("capacity", ""), values.get("capacityAllocationUnits", "byte"))
            seen.disks.append((values.get("fileRef", ""), capacity))
        elif kind == "VirtualSystem":
            seen.systems += 1
        elif kind in ("Item", "EthernetPortItem"):
            seen.items.append({"ResourceType": _NETWORK} if kind == "EthernetPortItem" else {})
        elif kind == "Config" and values.get("key") == "firmware":
            seen.firmware = values.get("value", "").lower()
        elif kind == "Firmware" and values.get("type"):
            seen.firmware = values["type"].lower()

    def _file(self, values: Mapping[str, str]) -> None:
        if values.get("compression", "identity") not in ("", "identity") or "chunkSize" in values:
            raise UnsupportedFeature(
                f"{self._name} holds a disk that is packed once more or cut into pieces."
            )
        key, name = values.get("id", ""), values.get("href", "")
        if key in self._seen.files:
            raise UnsupportedArchive(f"{self._name} describes the file '{printable(key)}' twice.")
        self._seen.files[key] = name.removeprefix("./")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _amount(number: str, units: str) -> int:
    """In bytes; zero for what is no plain number."""
    if not _NUMBER.fullmatch(number):
        return 0
    power = _UNITS.fullmatch(units.strip())
    exponent = int(power[1]) if power else _NAMED_UNITS.get(units.strip().lower(), 0)
    return int(number) << exponent if exponent <= 40 else 0


def _hardware(seen: _Seen, capacity: int) -> Hardware:
    def items(kind: str) -> list[dict[str, str]]:
        return [item for item in seen.items if item.get("ResourceType") == kind]

    cpus = [_amount(item.get("VirtualQuantity", ""), "byte") for item in items(_CPU)]
    memory = [
        _amount(item.get("VirtualQuantity", ""), item.get("AllocationUnits", "MB")) for item in items(_MEMORY)
    ]
    firmware = "efi" if seen.firmware.startswith("efi") else seen.firmware if seen.firmware == "bios" else ""
    return Hardware(
        cpus=sum(cpus),
        memory_mib=sum(memory) >> 20,
        firmware=firmware,
        disk_capacity_bytes=capacity,
        os_type=seen.os_type,
        network_cards=len(items(_NETWORK)),
    )
