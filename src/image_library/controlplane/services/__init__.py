"""What the control plane does: use cases over ports, without a word about wires or drivers."""
