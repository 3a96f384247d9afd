"""How a node does what its ports promise: disk, network, journal, hypervisor."""
