"""Facts about images in the journal."""

from __future__ import annotations

import json

from image_library.domain.hardware import Hardware
from image_library.domain.image import ImageFormat
from image_library.domain.store import ImageFacts
from image_library.node.adapters.records import dump_facts, load_facts

FACTS = ImageFacts(format=ImageFormat.OVA, virtual_size_bytes=1 << 30)


def test_an_appliances_hardware_is_kept() -> None:
    facts = ImageFacts(
        format=ImageFormat.OVA,
        virtual_size_bytes=1 << 30,
        hardware=Hardware(cpus=2, memory_mib=2048, firmware="efi", os_type="Debian", network_cards=1),
    )
    assert load_facts(dump_facts(facts)) == facts


def test_facts_from_before_hardware_was_kept_are_read() -> None:
    old = json.loads(dump_facts(FACTS))
    del old["hardware"]
    assert load_facts(json.dumps(old)) == FACTS
