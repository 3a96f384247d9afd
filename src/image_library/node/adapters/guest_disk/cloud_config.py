"""Reading cloud-init's own configuration out of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import yaml

from image_library.node.adapters.guest_disk.blocks import Unreadable
from image_library.node.adapters.guest_disk.file_systems.tree import Tree

_MAIN, _FOLDER = "/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d"
_MOST_FILES, _MOST_BYTES = 64, 256 << 10


def read_cloud_config(tree: Tree) -> list[Mapping[str, object]]:
    """cloud.cfg and what is in cloud.cfg.d, in the order in which the later wins.

    Raises:
        Unreadable: one of them is too long or no YAML.
    """
    pieces = [name for name in tree.names(_FOLDER) if name.endswith(".cfg")]
    if len(pieces) > _MOST_FILES:
        raise Unreadable(f"its {_FOLDER} has {len(pieces)} files, which are too many to be read")
    paths = [_MAIN, *(f"{_FOLDER}/{name}" for name in pieces)]
    return [document for path in paths if (document := _document(tree, path))]


def _document(tree: Tree, path: str) -> Mapping[str, object]:
    text = tree.whole(path, _MOST_BYTES)
    if text is None:
        return {}
    try:
        document: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Unreadable(f"its {path} is no YAML") from None
    return cast("Mapping[str, object]", document) if isinstance(document, dict) else {}
