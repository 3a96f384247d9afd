"""The Image Library of limiquantix."""

__version__ = "0.1.0"
