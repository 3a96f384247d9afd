"""The daemon on every node: it fetches, verifies and keeps images, and runs VMs from them."""
