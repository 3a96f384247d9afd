from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from image_library.controlplane.settings import Settings
from image_library.domain.errors import InvalidSettings, ListenDenied


def settings(**changes: Any) -> Settings:
    return Settings(data_dir=Path("/data"), **changes)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:0", "127.0.0.1", 0), ("[::1]:80", "::1", 80), ("localhost:8006", "localhost", 8006)],
)
def test_loopback_is_served_as_it_is(listen: str, host: str, port: int) -> None:
    checked = settings(listen=listen, no_auth=True).checked()
    assert (checked.listen_host, checked.listen_port) == (host, port)


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "10.0.0.5:80", "example.org:80"])
def test_elsewhere_needs_tls_and_authentication(listen: str, tmp_path: Path) -> None:
    with pytest.raises(ListenDenied):
        settings(listen=listen).checked()
    for name in ("cert", "key"):
        (tmp_path / name).write_text("")
    tls = {"tls_cert": tmp_path / "cert", "tls_key": tmp_path / "key"}
    assert settings(listen=listen, **tls).checked()
    with pytest.raises(ListenDenied, match="authentication"):
        settings(listen=listen, no_auth=True, **tls).checked()


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "8006"},
        {"listen": "127.0.0.1:"},
        {"listen": "127.0.0.1:99999"},
        {"listen": "127.0.0.1:²"},
        {"tls_cert": Path("/no")},
        {"tls_cert": Path("/no"), "tls_key": Path("/no")},
        {"database_url": "mysql://x"},
        {"heartbeat_seconds": 0},
        {"refresh": "sometimes"},
        {"refresh_hours": 0},
        {"keep_versions": 0},
        {"min_trust": ("high",)},
        {"catalog_keys": ("ed25519:short",)},
        {"catalog_url": "http://catalog.example.org/images.toml"},
        {"catalog_refresh_hours": -1},
        {"job_patience_hours": 0},
        {"job_history_days": 3651},
        {"node_ca": Path("/no")},
    ],
)
def test_what_cannot_be_used_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        settings(**wrong).checked()


def test_the_database_lies_in_the_data_directory_unless_given() -> None:
    assert settings().database == Path("/data/controlplane.db")
    assert settings(database_url="sqlite:////other/x.db").database == Path("/other/x.db")
    assert settings(database_url="postgres://me@box/library").database == "postgresql://me@box/library"


def test_the_database_password_is_not_shown() -> None:
    assert "s3cret" not in repr(settings(database_url="postgresql://me:s3cret@box/library"))


def test_a_secret_does_not_print() -> None:
    assert "hush" not in repr(settings(join_token="hush"))
