"""Reading files of a guest from its image: our own code, in a memory-safe language, and still in the jail."""
