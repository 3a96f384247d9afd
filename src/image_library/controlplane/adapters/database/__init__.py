"""The control plane's records in SQLite, through SQLAlchemy Core."""
