"""The use cases of a node."""
