"""OpenPGP signatures (RFC 9580), checked by pysequoia or, for old keys, by the pinned primary key alone."""
