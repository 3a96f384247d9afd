"""``images``: what publishers offer and what is here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from image_library.cli import os_options
from image_library.cli.completion import complete_catalog, complete_images
from image_library.cli.images_list import list_images
from image_library.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Images: what publishers offer and what is here.")
ImageArgument = Annotated[
    str,
    typer.Argument(metavar="IMAGE", help="Image id, name or catalog id.", autocompletion=complete_images),
]
NodeOption = Annotated[
    str, typer.Option("--node", metavar="NODE", help="The node's id or host name.", show_default=False)
]


ToOption = Annotated[
    str,
    typer.Option(
        "--to", metavar="FORMAT", help="What it becomes; same: it stays. Default: qcow2, except for an ISO."
    ),
]
CompressOption = Annotated[
    str, typer.Option("--compress", metavar="HOW", help="zstd: compressed inside, for qcow2; none: not.")
]


@command(app, "upload")
def upload_image(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A disk image, packed or not.")],
    name: Annotated[
        str, typer.Option(help="The image's name; the file's without it.", show_default=False)
    ] = "",
    format_: Annotated[
        str, typer.Option("--format", help="What it is, unpacked; as the file's name says without it.")
    ] = "",
    to: ToOption = "",
    compress: CompressOption = "",
    checksum: Annotated[
        str, typer.Option(help="What the file must have: sha256:HEX or sha512:HEX.", show_default=False)
    ] = "",
    node: NodeOption = "",
    project: Annotated[str, typer.Option(help="The project that owns it.", show_default=False)] = "",
    description: Annotated[str, typer.Option(help="What it is.", show_default=False)] = "",
    os_family: os_options.FamilyOption = "",
    os_distribution: os_options.DistributionOption = "",
    os_version: os_options.VersionOption = "",
    os_architecture: os_options.ArchitectureOption = "",
    os_user: os_options.UserOption = "",
    os_provisioning: os_options.ProvisioningOption = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is published.")] = False,
) -> None:
    """Upload a disk image. After any interruption the same command goes on from the bytes that are there."""
    from image_library.cli.output import as_json
    from image_library.cli.progress import described
    from image_library.cli.uploading import FileToSend, upload

    said = {"name": name, "format": format_, "checksum": checksum, "node_id": node, "project_id": project}
    becomes = {"target_format": to, "target_compression": compress}
    os = {"os_family": os_family, "os_distribution": os_distribution, "os_version": os_version}
    os |= {"os_architecture": os_architecture, "os_user": os_user, "os_provisioning": os_provisioning}
    wanted = FileToSend(path=file, metadata={**said, **becomes, **os, "description": description})
    ended = upload(session, wanted, wait=not no_wait)
    if isinstance(ended, str):
        session.out.document({"jobId": ended}) if session.json else session.out.line(ended)
    elif session.json:
        session.out.document(as_json(ended))
    else:
        session.out.line(described(ended))


@command(app, "catalog")
def show_catalog(session: Session) -> None:
    """List what can be downloaded: how it is verified, when its support ends, whether it is here."""
    from image_library.cli.image_views import catalog_rows
    from image_library.cli.lookup import catalog_with_state
    from image_library.cli.output import as_json
    from limiquantix.storage.v1.image_pb import GetCatalogDownloadStatusRequest

    entries, state = catalog_with_state(session.library)
    if state.warning:
        session.out.warn(state.warning)
    if session.json:
        session.out.document({"images": [as_json(entry) for entry in entries]})
        return
    here = session.library.images.get_catalog_download_status(GetCatalogDownloadStatusRequest())
    columns = ("ID", "NAME", "USER", "ARCHITECTURES", "VERIFIED BY", "SUPPORT ENDS", "HERE")
    session.out.table(columns, catalog_rows(entries, here.statuses), empty="The catalog is empty.")


command(app, "list")(list_images)


@command(app, "show")
def show_image(session: Session, image: ImageArgument) -> None:
    """Show one image with the evidence for its trust, or one catalog entry with its URLs."""
    from image_library.cli import image_views as views
    from image_library.cli.lookup import image_or_entry, node_names
    from image_library.cli.output import as_json

    found, entry = image_or_entry(session.library, image)
    if session.json:
        both = {"image": found, "catalogEntry": entry}
        session.out.document({name: as_json(message) for name, message in both.items() if message})
        return
    if found is not None:
        session.out.facts(views.image_facts(found, node_names(session.library)))
    if entry is not None:
        session.out.facts(views.entry_facts(entry))


@command(app, "download")
def download_image(
    session: Session,
    catalog_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Catalog id; see 'images catalog'.", autocompletion=complete_catalog
        ),
    ],
    node: NodeOption = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The image's name; default: the id.")
    ] = "",
    architecture: Annotated[
        str, typer.Option("--architecture", metavar="ARCH", help="Default: the node's own.")
    ] = "",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs watch' follows it.")
    ] = False,
) -> None:
    """Download an image of the catalog and verify it. One that is there is not fetched again."""
    from image_library.cli.downloads import download
    from limiquantix.storage.v1.image_pb import DownloadImageRequest

    request = DownloadImageRequest(catalog_id=catalog_id, node_id=node, name=name, architecture=architecture)
    download(session, request, wait=not no_wait)


@command(app, "refresh")
def refresh_images(
    session: Session,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMAGE]...", help="Image ids, names or catalog ids.", autocompletion=complete_images
        ),
    ] = None,
    all_images: Annotated[
        bool, typer.Option("--all", help="Every image of the catalog that is here.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    keep: Annotated[
        int,
        typer.Option(
            "--keep",
            metavar="N",
            min=0,
            help="How many versions stay, the newest included. Default: as the server is set, 3.",
        ),
    ] = 0,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start the downloads; 'jobs watch' follows them.")
    ] = False,
) -> None:
    """Ask publishers for newer builds and fetch them beside the old ones, which VMs keep using."""
    from image_library.cli.refreshing import refresh
    from limiquantix.storage.v1.image_pb import RefreshImagesRequest

    request = RefreshImagesRequest(images=images or [], all=all_images, dry_run=dry_run, keep=keep)
    refresh(session, request, wait=not no_wait)


@command(app, "scan")
def scan_images(session: Session, node: NodeOption = "") -> None:
    """Look for image files that were put into a node's cloud-images folder."""
    from image_library.cli.output import as_json
    from limiquantix.storage.v1.image_pb import ScanLocalImagesRequest

    answer = session.library.images.scan_local_images(ScanLocalImagesRequest(node_id=node))
    for error in answer.errors:
        session.out.warn(error)
    if session.json:
        session.out.document(as_json(answer))
    else:
        session.out.line(f"{answer.registered_count} new, {answer.existing_count} known.")
