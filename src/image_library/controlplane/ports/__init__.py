"""What the control plane's services need from the world, in plain words: one file a noun."""
