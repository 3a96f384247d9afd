"""Elements of libvirt's XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def node(tag: str, *children: ET.Element | str, **attributes: str | int) -> ET.Element:
    """Attributes that are Python's words end in "_"."""
    made = ET.Element(tag, {name.rstrip("_"): str(value) for name, value in attributes.items()})
    for child in children:
        if isinstance(child, str):
            made.text = child
        else:
            made.append(child)
    return made
