"""The program that runs in the jail: an open image in, facts as JSON out."""

from __future__ import annotations

import dataclasses
import json
import sys

from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_disk.reading import read_facts


def main() -> None:
    descriptor, image_format = int(sys.argv[1]), ImageFormat(sys.argv[2])
    json.dump(dataclasses.asdict(read_facts(descriptor, image_format)), sys.stdout)
