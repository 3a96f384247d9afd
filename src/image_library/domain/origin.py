"""Where bytes come from, as it may be shown and stored: addresses without what could be a secret in them."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown_url(url: str) -> str:
    """The URL without user, password, query and fragment, where secrets hide."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
