"""``images import``: an image from any URL."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli import os_options
from image_library.cli.images import CompressOption, NodeOption, ToOption, app
from image_library.cli.session import Session, command


@command(app, "import")
def import_image(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="An https URL of a disk image, packed or not.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Default: the file's name.")] = "",
    checksum: Annotated[
        str,
        typer.Option(
            "--checksum", metavar="DIGEST", help="sha256 or sha512 that the bytes must have, in hexadecimal."
        ),
    ] = "",
    checksum_file_url: Annotated[
        str,
        typer.Option("--checksum-file-url", metavar="URL", help="The publisher's checksum file instead."),
    ] = "",
    size: Annotated[
        int,
        typer.Option("--size", metavar="BYTES", min=0, help="Bytes that the file must have; 0: any."),
    ] = 0,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is.")] = "",
    project: Annotated[str, typer.Option("--project", metavar="PROJECT", help="Who owns it.")] = "",
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="May be given several times.")
    ] = None,
    visibility: Annotated[
        str, typer.Option("--visibility", metavar="WHO", help="private, project or public.")
    ] = "private",
    format_: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="What it is, unpacked; default: as the URL says."),
    ] = "",
    to: ToOption = "",
    compress: CompressOption = "",
    node: NodeOption = "",
    os_family: os_options.FamilyOption = "",
    os_distribution: os_options.DistributionOption = "",
    os_version: os_options.VersionOption = "",
    os_architecture: os_options.ArchitectureOption = "",
    os_user: os_options.UserOption = "",
    os_provisioning: os_options.ProvisioningOption = "",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs watch' follows it.")
    ] = False,
) -> None:
    """Import an image from a URL. Without a checksum nothing proves what it is: it stays unverified."""
    from image_library.cli.importing import OsWords, import_from, request_for

    os = OsWords(os_family, os_distribution, os_version, os_architecture, os_user, os_provisioning)
    request = request_for(url=url, name=name, labels=label or [], visibility=visibility, os=os)
    request.checksum, request.checksum_url = checksum, checksum_file_url
    request.size_bytes = size
    request.description, request.project_id = description, project
    request.format, request.node_id = format_, node
    request.target_format, request.target_compression = to, compress
    import_from(session, request, wait=not no_wait)
