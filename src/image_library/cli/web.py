"""``web``: a link that signs a browser in."""

from __future__ import annotations

import json
import os

import typer

from image_library.cli.session import Session, command


def register(app: typer.Typer) -> None:
    command(app, "web")(web)


def web(session: Session) -> None:
    """Print a link that signs a browser in: once, and within a quarter of an hour."""
    from image_library.cli import servers
    from image_library.cli.plain_http import PlainHttp

    server = servers.find(session.data_dir, session.server_option, os.environ)
    with PlainHttp(server, {}).answered("POST", "/session/link", {}) as answer:
        link = server.url + json.loads(answer.read(1 << 16))["path"]
    if session.json:
        session.out.document({"url": link})
    else:
        session.out.line(link)
