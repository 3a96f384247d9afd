"""The programs that run in the jail: open images in, facts or traces as JSON out."""

from __future__ import annotations

import dataclasses
import json
import sys

from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_disk.reading import read_facts
from image_library.node.adapters.guest_disk.tracing import read_traces


def main() -> None:
    descriptor, image_format = int(sys.argv[1]), ImageFormat(sys.argv[2])
    json.dump(dataclasses.asdict(read_facts(descriptor, image_format)), sys.stdout)


def audit() -> None:
    """The disk's files come in pairs, the uppermost first: descriptor and format."""
    words = iter(sys.argv[1:])
    chain = tuple((int(word), ImageFormat(next(words))) for word in words)
    json.dump(dataclasses.asdict(read_traces(chain)), sys.stdout)
