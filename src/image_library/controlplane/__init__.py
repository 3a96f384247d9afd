"""The control plane: it holds what is wanted, and asks the nodes for it."""
