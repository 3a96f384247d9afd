"""The control plane's records without a disk, for tests and for trying things out."""
