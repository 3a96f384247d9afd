"""The publishers' keys that are pinned, and the table of them."""
