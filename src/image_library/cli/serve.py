"""``up``, ``controlplane`` and ``node``: the programs that stay."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_library.cli.session import Session, command

if TYPE_CHECKING:
    from image_library.programs import Ready

ListenOption = Annotated[
    str | None,
    typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 picks a free one."),
]
MirrorOption = Annotated[
    list[str] | None,
    typer.Option("--mirror", metavar="URL", help="Fetch https://HOST/PATH from URL/HOST/PATH."),
]
ImageMirrorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image-mirror", metavar="URL", help="Try it before the publisher, for bytes of known digest."
    ),
]
DenySourceOption = Annotated[
    list[str] | None,
    typer.Option("--deny-source", metavar="HOST", help="Host or CIDR that nothing is fetched from."),
]
AllowSourceOption = Annotated[
    list[str] | None,
    typer.Option("--allow-source", metavar="HOST", help="Host or CIDR to fetch from though it is private."),
]
MaxSizeOption = Annotated[
    str | None,
    typer.Option("--max-virtual-size", metavar="SIZE", help="Refuse images that claim a larger disk."),
]
AccelOption = Annotated[str | None, typer.Option("--accel", metavar="HOW", help="auto, kvm or tcg.")]
NoAuthOption = Annotated[
    bool | None, typer.Option("--no-auth", help="Answer calls without a token; loopback only.")
]
CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="Catalog entries to add or replace.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url", metavar="URL", help="postgresql://… instead of SQLite; not with a password."
    ),
]
AllowedHostOption = Annotated[
    list[str] | None,
    typer.Option("--allowed-host", metavar="NAME", help="A further Host header that is answered."),
]
CertOption = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's private key, PEM.")
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", metavar="FILE", help="Authorities to check the other program's certificate with."
    ),
]
JoinTokenOption = Annotated[
    Path | None,
    typer.Option("--join-token-file", metavar="FILE", help="The token that control plane and nodes share."),
]
LogOption = Annotated[str | None, typer.Option("--log-format", metavar="FORM", help="console or json.")]
AcceptStoreOption = Annotated[
    bool,
    typer.Option(
        "--accept-store",
        help="For one start: what the data directory holds now is the store; give the rest up.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The settings file; default: settings.toml in the data directory."
    ),
]


def register(app: typer.Typer) -> None:
    command(app, "up", without=("server",))(up)
    command(app, "controlplane", without=("server",))(controlplane)
    command(app, "node", without=("server",))(node)
    command(app, "down", without=("server",))(down)


def up(
    session: Session,
    listen: ListenOption = None,
    mirror: MirrorOption = None,
    image_mirror: ImageMirrorOption = None,
    allow_source: AllowSourceOption = None,
    deny_source: DenySourceOption = None,
    catalog: CatalogOption = None,
    database_url: DatabaseOption = None,
    allowed_host: AllowedHostOption = None,
    no_auth: NoAuthOption = None,
    accel: AccelOption = None,
    max_virtual_size: MaxSizeOption = None,
    tls_cert: CertOption = None,
    tls_key: KeyOption = None,
    tls_ca: CaOption = None,
    log_format: LogOption = None,
    accept_store: AcceptStoreOption = False,
    config: ConfigOption = None,
) -> None:
    """Run control plane and node in one process: all that one machine needs."""
    _run(
        session,
        "up",
        config,
        listen=listen,
        mirror=tuple(mirror or ()),
        image_mirrors=tuple(image_mirror or ()),
        allow_sources=tuple(allow_source or ()),
        deny_sources=tuple(deny_source or ()),
        catalog=catalog,
        database_url=database_url,
        allowed_hosts=tuple(allowed_host or ()),
        auth=_auth(no_auth),
        accel=accel,
        max_virtual_size=max_virtual_size,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=tls_ca,
        accept_store=accept_store,
        log_format=log_format,
    )


def controlplane(
    session: Session,
    listen: ListenOption = None,
    catalog: CatalogOption = None,
    database_url: DatabaseOption = None,
    allowed_host: AllowedHostOption = None,
    no_auth: NoAuthOption = None,
    join_token_file: JoinTokenOption = None,
    tls_cert: CertOption = None,
    tls_key: KeyOption = None,
    tls_ca: CaOption = None,
    log_format: LogOption = None,
    config: ConfigOption = None,
) -> None:
    """Run the control plane alone; nodes on other machines join it."""
    _run(
        session,
        "controlplane",
        config,
        listen=listen,
        catalog=catalog,
        database_url=database_url,
        allowed_hosts=tuple(allowed_host or ()),
        auth=_auth(no_auth),
        join_token_file=join_token_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=tls_ca,
        log_format=log_format,
    )


def node(
    session: Session,
    control_plane: Annotated[
        str | None, typer.Option("--control-plane", metavar="URL", help="The control plane to join.")
    ] = None,
    join_token_file: JoinTokenOption = None,
    listen: ListenOption = None,
    advertise: Annotated[
        str | None,
        typer.Option("--advertise", metavar="HOST:PORT", help="Where the control plane reaches this node."),
    ] = None,
    mirror: MirrorOption = None,
    image_mirror: ImageMirrorOption = None,
    allow_source: AllowSourceOption = None,
    deny_source: DenySourceOption = None,
    accel: AccelOption = None,
    max_virtual_size: MaxSizeOption = None,
    tls_cert: CertOption = None,
    tls_key: KeyOption = None,
    tls_ca: CaOption = None,
    log_format: LogOption = None,
    accept_store: AcceptStoreOption = False,
    config: ConfigOption = None,
) -> None:
    """Run a node: it keeps images and runs VMs for a control plane."""
    _run(
        session,
        "node",
        config,
        control_plane=control_plane,
        join_token_file=join_token_file,
        listen=listen,
        advertise=advertise,
        mirror=tuple(mirror or ()),
        image_mirrors=tuple(image_mirror or ()),
        allow_sources=tuple(allow_source or ()),
        deny_sources=tuple(deny_source or ()),
        accel=accel,
        max_virtual_size=max_virtual_size,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=tls_ca,
        accept_store=accept_store,
        log_format=log_format,
    )


def down(session: Session) -> None:
    """Stop the server on the data directory. VMs keep running; downloads go on at its next start."""
    from image_library.cli.background import stop

    stopped = stop(session.data_dir)
    if session.json:
        session.out.document({"stopped": {"url": stopped.url, "pid": stopped.pid}})
    else:
        session.out.line(f"Stopped the server at {stopped.url}.")


def _auth(no_auth: bool | None) -> bool | None:
    return False if no_auth else None


def _run(
    session: Session, program: str, config: Path | None, *, accept_store: bool = False, **options: Any
) -> None:
    from image_library import programs
    from image_library.cli.settings import resolve

    root = session.data_dir.root
    settings = resolve(program, data_dir=root, file=config, environ=os.environ, options=options)
    settings = replace(settings, accept_store=accept_store)
    programs.run(program, settings, announce=lambda ready: _announce(session, ready))


def _announce(session: Session, ready: Ready) -> None:
    """The one line on stdout that says that the program serves."""
    if session.json:
        # Exactly one line: whoever started us reads up to its end.
        import json
        import sys

        sys.stdout.write(json.dumps({"event": "ready", "url": ready.url}, separators=(",", ":")) + "\n")
        sys.stdout.flush()
    else:
        session.out.line(ready.sentence)
        if ready.invitation:
            session.out.line(ready.invitation)
