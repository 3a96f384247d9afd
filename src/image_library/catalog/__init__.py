"""The catalogue of images that publishers offer: data in ``images.toml``, and what reads it."""
