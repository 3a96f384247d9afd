"""Unpacking whole files that are compressed, by a program of ours in the jail."""

from image_library.node.adapters.unpacking.unpacker import JailedUnpacker

__all__ = ["JailedUnpacker"]
