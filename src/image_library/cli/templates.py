"""``templates``: images that are captured from VMs."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.session import Session, YesOption, command, confirm
from image_library.cli.vm_argument import VmArgument

app = typer.Typer(no_args_is_help=True, help="Images that are captured from VMs.")


@command(app, "capture")
def capture(
    session: Session,
    vm: VmArgument,
    name: Annotated[
        str,
        typer.Option(
            "--name",
            metavar="NAME",
            help="One that is there gets its next version. Default: VM-template.",
        ),
    ] = "",
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for.")] = "",
    audit_only: Annotated[
        bool, typer.Option("--audit-only", help="Only tell what of the VM's own is on its disk.")
    ] = False,
    frozen: Annotated[
        bool,
        typer.Option(
            "--frozen",
            help="Also while it runs: its agent freezes its file systems, and it stands still while its "
            "disk is copied.",
        ),
    ] = False,
    no_clean: Annotated[bool, typer.Option("--no-clean", help="Clean nothing.")] = False,
    clean_in_guest: Annotated[
        bool,
        typer.Option(
            "--clean-in-guest",
            help="Frozen, and before that cleaned by its agent, for file systems that cannot be cleaned from "
            "outside. The VM itself loses keys, logs and identity, and gets new ones at its next boot.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Capture it whatever of the VM's own stays in it.")
    ] = False,
    compress: Annotated[
        str, typer.Option("--compress", metavar="zstd", help="Compress the image inside.")
    ] = "",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only start it; 'jobs watch' follows it.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Make an image of a VM, without what is the VM's own: keys, identity, histories, logs.

    The VM is stopped, or frozen for a while. It stays as it is, but for --clean-in-guest. With --audit-only
    it fails where something is red and nothing could clean it.
    """
    from image_library.cli.lookup import the_vm
    from image_library.cli.output import as_json
    from image_library.cli.progress import described, follow
    from limiquantix.storage.v1.image_pb import CaptureTemplateRequest

    found = the_vm(session.library, vm)
    if audit_only:
        _audit(session, found.id)
        return
    wish = CaptureTemplateRequest(vm_id=found.id, name=name, description=description, compression=compress)
    wish.as_it_is, wish.force = no_clean, force
    wish.frozen, wish.clean_in_guest = frozen, clean_in_guest
    if clean_in_guest:
        question = f"Remove keys, logs and identity from '{found.name}' itself, until it is started anew?"
        confirm(session, question, yes=yes)
    job = session.library.images.capture_template(wish)
    last = job if no_wait else follow(session.library, job.job_id, session.out)
    if session.json:
        session.out.document(as_json(last))
    else:
        session.out.line(job.job_id if no_wait else described(last))


@command(app, "list")
def list_templates(session: Session) -> None:
    """List the templates, with the VMs that they were captured from."""
    from image_library.cli.image_views import template_rows
    from image_library.cli.lookup import some_images
    from image_library.cli.output import as_json
    from limiquantix.storage.v1.image_pb import ListImagesRequest

    answer = some_images(session.library, ListImagesRequest(templates=True), limit=0)
    if session.json:
        session.out.document(as_json(answer))
        return
    columns = ("NAME", "VERSION", "STATE", "SIZE", "FROM VM", "NOT GENERAL", "CREATED")
    empty = "There are no templates. Make one of a VM: 'limiquantix templates capture VM'."
    session.out.table(columns, template_rows(answer.images), empty=empty)


def _audit(session: Session, vm_id: str) -> None:
    from image_library.cli.output import as_json
    from image_library.cli.vms_before import FINDING_COLUMNS, finding_rows
    from image_library.domain.errors import CannotClean
    from limiquantix.compute.v1.vm_pb import PreflightCaptureRequest

    report = session.library.vms.preflight_capture(PreflightCaptureRequest(vm_id=vm_id))
    red = [finding for finding in report.findings if int(finding.severity) == 3]
    stuck = bool(red) and not report.cleanable
    if session.json and not stuck:
        session.out.document(as_json(report))
    elif not session.json:
        session.out.table(FINDING_COLUMNS, finding_rows(report.findings), empty="")
    if stuck:
        error = CannotClean(f"{len(red)} of the findings {'is' if len(red) == 1 else 'are'} red.")
        raise typer.Exit(session.out.error(error, beside=as_json(report)))
