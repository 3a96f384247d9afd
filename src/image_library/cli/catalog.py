"""``catalog``: which catalog is in use, a newer one from a signed file, and signing one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_library.cli.session import Session, command

app = typer.Typer(
    no_args_is_help=True, help="The catalog: which one is in use, newer ones, and signing one's own."
)
# Of no use to what works without a server.
_ALONE = ("data_dir", "server")


@command(app, "status")
def show_status(session: Session) -> None:
    """Show which catalog is in use, and until when it is good."""
    from image_library.cli.catalog_views import show
    from limiquantix.storage.v1.image_pb import CatalogState, GetImageCatalogRequest

    answer = session.library.images.get_image_catalog(GetImageCatalogRequest())
    show(session, answer.catalog or CatalogState())


@command(app, "refresh")
def refresh_catalog(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Take this file instead of the one at catalog_url."),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help="Its signatures; default: FILE.sig."),
    ] = None,
) -> None:
    """Take a newer catalog that a key of catalog_keys has signed. One that is not better changes nothing."""
    from image_library.cli.catalog_signing import read_signed
    from image_library.cli.catalog_views import show
    from limiquantix.storage.v1.image_pb import RefreshCatalogRequest

    request = RefreshCatalogRequest()
    if file is not None:
        request.content, request.signatures = read_signed(file, signature)
    show(session, session.library.publishers.refresh_catalog(request))


@command(app, "keygen", without=_ALONE)
def make_key(
    session: Session,
    key: Annotated[Path, typer.Argument(metavar="KEY", help="Where to put the secret key; a new file.")],
) -> None:
    """Make a key that signs catalogs, and print the line for catalog_keys. Keep the file secret."""
    from image_library.cli.catalog_signing import new_key

    public = new_key(key)
    if session.json:
        session.out.document({"key": str(key), "public": public})
    else:
        session.out.facts([("secret key", str(key)), ("catalog_keys", public)])


@command(app, "sign", without=_ALONE)
def sign_catalog(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A catalog with version, written and expires.")
    ],
    keys: Annotated[
        list[Path], typer.Option("--key", metavar="KEY", help="A secret key; several while they change.")
    ],
) -> None:
    """Check a catalog and sign it: writes FILE.sig. Publish the two beside each other."""
    from image_library.cli.catalog_signing import sign

    signed = sign(file, keys)
    if session.json:
        facts = {"version": signed.terms.version, "entries": signed.entries}
        session.out.document({"signatures": str(signed.path), **facts})
        return
    session.out.facts(
        [
            ("signatures", str(signed.path)),
            ("version", str(signed.terms.version)),
            ("expires", str(signed.terms.expires)),
            ("entries", str(signed.entries)),
        ]
    )
