"""What the use cases need from the world, in plain words; adapters provide it."""
