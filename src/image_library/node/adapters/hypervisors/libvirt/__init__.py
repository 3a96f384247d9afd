"""libvirt: the same machines as domains of a libvirt daemon on this host."""
