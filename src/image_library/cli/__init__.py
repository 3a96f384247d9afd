"""The command line: one file per noun. It speaks the same RPCs as every other client."""
