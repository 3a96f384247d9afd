"""TLS that is not accepted, told with the reason; authorities and credentials of single sources."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from image_library.domain.addresses import AllowedSources
from image_library.domain.errors import InvalidSettings, LibraryError, SourceTls, SourceUnreachable
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.access import SourceAccess
from image_library.node.adapters.fetcher.connector import judged_connector
from image_library.node.adapters.fetcher.http_fetcher import HttpFetcher, open_session
from image_library.node.adapters.fetcher.policy import SourcePolicy
from image_library.node.ports.fetching import Source
from tests.fakes.node_workbench import QUICK

CA = trustme.CA()
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Served:
    port: int
    # The heads of the requests.
    asked: list[str] = field(default_factory=list[str])


def speaking(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with certificate.private_key_and_cert_chain_pem.tempfile() as pem:
        context.load_cert_chain(pem)
    return context


@asynccontextmanager
async def server(
    context: ssl.SSLContext | None, *, location: str = "", raw: bytes = b""
) -> AsyncGenerator[Served]:
    """Answers every request with "hello", sends it to ``location``, or says ``raw`` bytes."""
    asked: list[str] = []
    status = f"302 Found\r\nLocation: {location}" if location else "200 OK"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, OSError):
            asked.append((await reader.read(4096)).decode("latin-1"))
            writer.write(raw or f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello".encode())
            await writer.drain()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield Served(listening.sockets[0].getsockname()[1], asked)


async def fetch(
    port: int, *, access: SourceAccess | None = None, scheme: str = "https", known: bool = False
) -> bytes:
    trusted = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
    policy = SourcePolicy(allowed=AllowedSources.parse("127.0.0.0/8,::1,localhost"))
    async with open_session(judged_connector(policy, tls=trusted)) as session:
        fetcher = HttpFetcher(session=session, policy=policy, clock=SystemClock(), rules=QUICK, access=access)
        source = Source(url=f"{scheme}://127.0.0.1:{port}/x", digest_known=known)
        return await fetcher.read_small(source, limit=100, waiting=lambda _: None)


async def test_a_good_certificate_is_accepted() -> None:
    async with server(speaking(CA.issue_cert("127.0.0.1"))) as served:
        assert await fetch(served.port) == b"hello"


def self_signed() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(private + signed.public_bytes(serialization.Encoding.PEM)).tempfile() as pem:
        context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        pytest.param(
            speaking(trustme.CA().issue_cert("127.0.0.1")),
            "its authority is not known here",
            id="A21 unknown authority",
        ),
        pytest.param(self_signed(), "it is self-signed", id="A21 self-signed"),
        pytest.param(
            speaking(CA.issue_cert("other.example")), "it belongs to another", id="A21 another name"
        ),
        pytest.param(
            speaking(CA.issue_cert("127.0.0.1", not_after=NOW - DAY)),
            f"it has expired .this machine's clock says {NOW.year}-.* UTC; is it right",
            id="A21 expired",
        ),
        pytest.param(
            speaking(CA.issue_cert("127.0.0.1", not_before=NOW + DAY, not_after=NOW + 2 * DAY)),
            "it is not valid yet .this machine's clock says",
            id="A21 not yet valid",
        ),
    ],
)
async def test_what_is_not_accepted_is_refused_at_once_with_its_reason(
    context: ssl.SSLContext, reason: str
) -> None:
    async with server(context) as served:
        with pytest.raises(SourceTls, match=reason):
            await fetch(served.port)
        assert served.asked == []


def alert(number: int) -> bytes:
    """A fatal alert of TLS 1.0 (RFC 2246, section 7.2)."""
    return bytes([21, 3, 1, 0, 2, 2, number])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(alert(70), "speaks no version of TLS that is accepted", id="A21 TLS 1.0"),
        pytest.param(alert(40), "no cipher in common", id="A21 other ciphers"),
        pytest.param(b"", "speaks no TLS", id="A21 no TLS at all"),
    ],
)
async def test_a_handshake_that_fails_is_told_in_words(raw: bytes, reason: str) -> None:
    async with server(None, raw=raw) as served:
        with pytest.raises(SourceTls, match=reason):
            await fetch(served.port)
        assert len(served.asked) == 1


def bundle(folder: Path, *parts: bytes) -> str:
    path = folder / f"{len(list(folder.iterdir()))}.pem"
    path.write_bytes(b"".join(parts))
    return str(path)


async def test_a_source_may_have_an_authority_of_its_own_and_then_no_other(tmp_path: Path) -> None:
    private = trustme.CA()
    here = f"127.0.0.1={bundle(tmp_path, private.cert_pem.bytes())}"
    elsewhere = f"127.0.0.1/other={bundle(tmp_path, private.cert_pem.bytes())}"
    async with server(speaking(private.issue_cert("127.0.0.1"))) as served:
        port = served.port
        access = SourceAccess(authorities=[here.replace("=", f":{port}=", 1)])
        assert await fetch(port, access=access) == b"hello"
        for wrong in (here, elsewhere.replace("/", f":{port}/", 1)):
            # Another port, another path.
            with pytest.raises(SourceTls):
                await fetch(port, access=SourceAccess(authorities=[wrong]))
    async with server(speaking(CA.issue_cert("127.0.0.1"))) as served:
        access = SourceAccess(authorities=[here.replace("=", f":{served.port}=", 1)])
        with pytest.raises(SourceTls, match="authority is not known"):
            await fetch(served.port, access=access)


def revoking(authority: trustme.CA, serial: int) -> bytes:
    """The authority's list of revoked certificates."""
    pem = authority.private_key_pem.bytes()
    key = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(pem, password=None))
    known = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    revoked = x509.RevokedCertificateBuilder(serial, NOW - DAY).build()
    builder = x509.CertificateRevocationListBuilder(known.subject, NOW - DAY, NOW + DAY, [], [revoked])
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def test_a_bundle_with_a_revocation_list_has_it_obeyed(tmp_path: Path) -> None:
    private = trustme.CA()
    leaf, other = private.issue_cert("127.0.0.1"), private.issue_cert("127.0.0.1")
    serial = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number
    with_list = bundle(tmp_path, private.cert_pem.bytes(), revoking(private, serial))
    async with server(speaking(leaf)) as served:
        access = SourceAccess(authorities=[f"127.0.0.1:{served.port}={with_list}"])
        with pytest.raises(SourceTls, match="it was revoked"):
            await fetch(served.port, access=access)
    async with server(speaking(other)) as served:
        access = SourceAccess(authorities=[f"127.0.0.1:{served.port}={with_list}"])
        assert await fetch(served.port, access=access) == b"hello"


def credential(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "credential"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user:canary\n", "Authorization: Basic dXNlcjpjYW5hcnk="),
        ("Bearer canary.token", "Authorization: Bearer canary.token"),
    ],
)
async def test_a20_a_credential_is_shown_to_its_own_place_only(
    tmp_path: Path, text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = speaking(CA.issue_cert("127.0.0.1", "localhost"))
    async with server(certificate) as other:
        location = f"https://localhost:{other.port}/elsewhere"
        async with server(certificate, location=location) as served:
            file = credential(tmp_path, text)
            access = SourceAccess(credentials=[f"127.0.0.1:{served.port}={file}"])
            assert await fetch(served.port, access=access) == b"hello"
            assert shown in served.asked[0]
            assert "authorization" not in other.asked[0].lower()
    assert "canary" not in repr(vars(access))
    captured = capsys.readouterr()
    assert "canary" not in captured.out + captured.err


async def test_a20_a_credential_is_never_shown_without_encryption(tmp_path: Path) -> None:
    async with server(None) as served:
        access = SourceAccess(credentials=[f"127.0.0.1:{served.port}={credential(tmp_path, 'u:p')}"])
        assert await fetch(served.port, access=access, scheme="http", known=True) == b"hello"
        assert "authorization" not in served.asked[0].lower()


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("user:pw", 0o644, "Others can read"),
        ("no colon", 0o600, "neither USER:PASSWORD"),
        ("user:pw\r\nX: y", 0o600, "neither USER:PASSWORD"),
        ("", 0o600, "neither USER:PASSWORD"),
    ],
)
def test_a_file_that_is_no_kept_credential_is_refused_without_being_shown(
    tmp_path: Path, text: str, mode: int, said: str
) -> None:
    with pytest.raises(InvalidSettings, match=said) as refused:
        SourceAccess(credentials=[f"h={credential(tmp_path, text, mode)}"])
    assert "pw" not in refused.value.message


@pytest.mark.parametrize("setting", ["h", "h=", "=x", "h=/nowhere/at/all", "a b=x"])
def test_settings_of_another_form_are_refused(setting: str) -> None:
    with pytest.raises(InvalidSettings):
        SourceAccess(authorities=[setting])
    with pytest.raises(InvalidSettings):
        SourceAccess(credentials=[setting])


async def test_f28_a_port_where_nobody_listens_is_unreachable() -> None:
    async with server(speaking(CA.issue_cert("127.0.0.1"))) as served:
        pass
    with pytest.raises(SourceUnreachable, match="cannot be reached") as refused:
        await fetch(served.port)
    assert isinstance(refused.value, LibraryError)
