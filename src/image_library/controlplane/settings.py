"""Every setting of the control plane, judged once. The environment is not read here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from image_library.domain.errors import InvalidSettings, ListenDenied, printable
from image_library.domain.proof_policy import ProofPolicy
from image_library.domain.refresh import KEPT_VERSIONS
from image_library.domain.signed_catalog import read_key
from image_library.domain.trust_policy import TrustPolicy

DEFAULT_LISTEN = "127.0.0.1:8006"
SQLITE = "sqlite:///"
REFRESH_MODES = ("off", "check", "fetch")
POSTGRESQL = ("postgresql://", "postgres://")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``checked`` raises for what cannot be used."""

    data_dir: Path
    # HOST:PORT; port 0 picks a free one. An IPv6 host stands in brackets.
    listen: str = DEFAULT_LISTEN
    # Every caller is the operator. For loopback only.
    no_auth: bool = False
    # Names under which the server answers besides loopback's and the one listened on.
    allowed_hosts: tuple[str, ...] = ()
    # Entries that are added to the shipped catalogue or replace its own.
    catalog_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    # Certificates that the nodes' own are judged by; without them nodes are called in plain text.
    node_ca: Path | None = None
    heartbeat_seconds: int = 10
    # Of one upload; 0: any size.
    max_upload_gib: int = 2048
    # Of all images and uploads of one project; 0: no limit.
    project_quota_gib: int = 0
    # An upload to which nothing comes for so long is ended.
    upload_expiry_hours: int = 24
    # How often what nothing needs is removed unasked; 0: never.
    gc_interval_hours: int = 24
    # Whether publishers are asked for newer builds from time to time, and whether those are fetched.
    refresh: str = "check"
    # How long a publisher is not asked again.
    refresh_hours: int = 24
    # Of a catalogue image, those that nothing uses.
    keep_versions: int = KEPT_VERSIONS
    # Keys ("ed25519:BASE64") of which one must have signed a newer catalogue, where it is, and how often
    # it is looked for (0: never).
    catalog_keys: tuple[str, ...] = ()
    catalog_url: str = ""
    catalog_refresh_hours: int = 24
    # How far images must be proved that VMs are made from: "LEVEL" for everybody, "PROJECT=LEVEL" for one.
    min_trust: tuple[str, ...] = ()
    # Whether images must be proved to boot before they are public: "yes" for everybody, "PROJECT=no" for one.
    require_boot_proof: tuple[str, ...] = ()
    # A job whose node stays away for longer fails.
    job_patience_hours: int = 24
    # Jobs that ended longer ago are forgotten.
    job_history_days: int = 30
    # "sqlite:///PATH" or "postgresql://…", which may hold a password; empty: SQLite in the data directory.
    database_url: str = field(default="", repr=False)
    # What nodes and we show each other; empty: made at the first start, in <data-dir>/join-token.
    join_token: str = field(default="", repr=False)

    @property
    def listen_host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def listen_port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def database(self) -> Path | str:
        """SQLite's file, or the URL of a PostgreSQL database."""
        if not self.database_url:
            return self.data_dir / "controlplane.db"
        for scheme in POSTGRESQL:
            if self.database_url.startswith(scheme):
                return POSTGRESQL[0] + self.database_url.removeprefix(scheme)
        return Path(self.database_url.removeprefix(SQLITE))

    @property
    def trust(self) -> TrustPolicy:
        """Raises InvalidSettings."""
        return TrustPolicy.parse(self.min_trust)

    @property
    def proofs(self) -> ProofPolicy:
        """Raises InvalidSettings."""
        return ProofPolicy.parse(self.require_boot_proof)

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """Raises InvalidSettings."""
        if self.catalog_url and not self.catalog_url.startswith("https://"):
            raise InvalidSettings("catalog_url must be an https URL.", field="catalog_url")
        return tuple(read_key(text) for text in self.catalog_keys)

    def checked(self) -> Settings:
        """These settings, if they can be used together.

        Raises:
            InvalidSettings: a value has the wrong form.
            ListenDenied: the address may not be served this way.
        """
        self._check_forms()
        _ = self.trust, self.proofs, self.signing_keys
        if not 0 <= self.catalog_refresh_hours <= 8784:
            raise InvalidSettings("catalog_refresh_hours must be 0 to 8784.", field="catalog_refresh_hours")
        loopback = is_loopback(self.listen_host)
        if self.no_auth and not loopback:
            raise ListenDenied(
                f"Without authentication only loopback is served, not {self.listen_host}.", field="no_auth"
            )
        if not loopback and self.tls_cert is None:
            raise ListenDenied(f"{self.listen_host} is not served without TLS.", field="listen")
        return self

    def _check_forms(self) -> None:
        port = self.listen.rpartition(":")[2]
        if not self.listen_host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise InvalidSettings(f"'{printable(self.listen)}' is not HOST:PORT.", field="listen")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidSettings("tls_cert and tls_key belong together.", field="tls_cert")
        schemes = (SQLITE, *POSTGRESQL)
        if self.database_url and not self.database_url.startswith(schemes):
            raise InvalidSettings(
                f"The database URL must start with {SQLITE} or {POSTGRESQL[0]}.", field="database_url"
            )
        if not 1 <= self.heartbeat_seconds <= 3600:
            raise InvalidSettings("heartbeat_seconds must be 1 to 3600.", field="heartbeat_seconds")
        for name in ("max_upload_gib", "project_quota_gib"):
            if not 0 <= getattr(self, name) < 2**30:
                raise InvalidSettings(f"{name} must be 0 or more.", field=name)
        if not 1 <= self.upload_expiry_hours <= 24 * 365:
            raise InvalidSettings("upload_expiry_hours must be 1 to 8760.", field="upload_expiry_hours")
        if not 0 <= self.gc_interval_hours <= 8760:
            raise InvalidSettings("gc_interval_hours must be 0 to 8760.", field="gc_interval_hours")
        if self.refresh not in REFRESH_MODES:
            raise InvalidSettings(f"refresh must be one of {', '.join(REFRESH_MODES)}.", field="refresh")
        if not 1 <= self.refresh_hours <= 8784:
            raise InvalidSettings("refresh_hours must be 1 to 8784.", field="refresh_hours")
        if not 1 <= self.keep_versions <= 1000:
            raise InvalidSettings("keep_versions must be 1 to 1000.", field="keep_versions")
        for name, most in (("job_patience_hours", 24 * 365), ("job_history_days", 3650)):
            if not 1 <= getattr(self, name) <= most:
                raise InvalidSettings(f"{name} must be 1 to {most}.", field=name)
        for path in (self.tls_cert, self.tls_key, self.node_ca):
            if path is not None and not path.is_file():
                raise InvalidSettings(f"There is no file {path}.", field="tls_cert")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
