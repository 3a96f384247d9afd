"""The content-addressed store: whole images by digest, parts on their way, readable links."""
