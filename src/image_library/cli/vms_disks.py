"""``vms grow``, ``flatten``, ``rebase``, ``cancel`` and ``vms snapshots``: what is done with VMs' disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from image_library.cli.session import Session, YesOption, command, confirm
from image_library.cli.vm_argument import VmArgument

if TYPE_CHECKING:
    from limiquantix.compute.v1.vm_pb import VirtualMachine

NoWaitOption = Annotated[
    bool, typer.Option("--no-wait", help="Only begin it; 'vms show' tells how far it is.")
]
SnapshotArgument = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="The snapshot's name.")]

snapshots = typer.Typer(no_args_is_help=True, help="A VM's disk as it was at some time.")


def register(app: typer.Typer) -> None:
    command(app, "grow")(grow_disk)
    command(app, "flatten")(flatten_disk)
    command(app, "rebase")(rebase_disk)
    command(app, "cancel")(cancel_task)
    command(snapshots, "list")(list_snapshots)
    command(snapshots, "create")(create_snapshot)
    command(snapshots, "revert")(revert_to_snapshot)
    command(snapshots, "delete")(delete_snapshot)
    app.add_typer(snapshots, name="snapshots")


def grow_disk(
    session: Session,
    vm: VmArgument,
    size: Annotated[str, typer.Argument(metavar="SIZE", help="The new size, such as 40G.")],
) -> None:
    """Make a VM's disk larger, also while it runs. Disks never shrink.

    Linux images take the new space when they are booted the next time.
    """
    from image_library.cli.lookup import the_vm
    from image_library.cli.sizes import GIB, parse_size, shown
    from limiquantix.compute.v1.vm_pb import GrowDiskRequest

    library = session.library
    gib = -(-parse_size(size, "SIZE") // GIB)
    grown = library.vms.grow_disk(GrowDiskRequest(id=the_vm(library, vm).id, size_gib=gib))
    _tell(session, grown, f"{grown.name}: the disk has {shown(gib * GIB)}.")


def flatten_disk(session: Session, vm: VmArgument, no_wait: NoWaitOption = False) -> None:
    """Give a stopped VM a disk that needs no image any more."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import FlattenDiskRequest

    begun = session.library.vms.flatten_disk(FlattenDiskRequest(id=the_vm(session.library, vm).id))
    _see_through(session, begun, no_wait=no_wait, done="its disk needs no image.")


def rebase_disk(
    session: Session,
    vm: VmArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="VERSION", help="A version's number or an image's id.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    no_wait: NoWaitOption = False,
) -> None:
    """Put a stopped VM's disk on another version of its image: the newest, or the one named.

    The guest sees the same bytes as before. The disk that it had is kept as a snapshot for 14 days.
    """
    from image_library.cli.lookup import the_vm
    from image_library.cli.output import as_json
    from limiquantix.compute.v1.vm_pb import RebaseVMRequest, VmStatus

    found = the_vm(session.library, vm)
    status = found.status or VmStatus()
    image = f"{status.image_name}@{to}" if to.isdecimal() else to
    answer = session.library.vms.rebase_vm(RebaseVMRequest(id=found.id, image=image, dry_run=dry_run))
    if dry_run:
        if session.json:
            session.out.document(as_json(answer))
        else:
            session.out.line(f"{found.name}: would go from {answer.from_title} to {answer.to_title}.")
        return
    done = f"its disk is on {answer.to_title}."
    _see_through(session, answer.vm or found, no_wait=no_wait, done=done)


def cancel_task(session: Session, vm: VmArgument) -> None:
    """Cancel work on a VM's disk. The disk stays as it was."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import CancelDiskTaskRequest

    library = session.library
    left = library.vms.cancel_disk_task(CancelDiskTaskRequest(id=the_vm(library, vm).id))
    _tell(session, left, f"{left.name}: nothing is being done with its disk.")


def list_snapshots(session: Session, vm: VmArgument) -> None:
    """List the snapshots of a VM, the oldest first."""
    from image_library.cli.lookup import the_vm
    from image_library.cli.output import as_json
    from image_library.cli.vm_views import SNAPSHOTS, snapshot_rows
    from limiquantix.compute.v1.vm_pb import ListSnapshotsRequest

    library = session.library
    listed = library.vms.list_snapshots(ListSnapshotsRequest(id=the_vm(library, vm).id))
    if session.json:
        session.out.document({"snapshots": [as_json(one) for one in listed.snapshots]})
        return
    session.out.table(SNAPSHOTS, snapshot_rows(listed.snapshots), empty="There are no snapshots.")


def create_snapshot(
    session: Session, vm: VmArgument, name: SnapshotArgument, no_wait: NoWaitOption = False
) -> None:
    """Keep a stopped VM's disk as it is now."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import CreateSnapshotRequest

    library = session.library
    begun = library.vms.create_snapshot(CreateSnapshotRequest(id=the_vm(library, vm).id, name=name))
    _see_through(session, begun, no_wait=no_wait, done=f"the snapshot '{name}' is there.")


def revert_to_snapshot(
    session: Session,
    vm: VmArgument,
    name: SnapshotArgument,
    no_wait: NoWaitOption = False,
    yes: YesOption = False,
) -> None:
    """Give a stopped VM the disk of a snapshot. What its disk has now is lost; the snapshot stays."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import RevertToSnapshotRequest

    library = session.library
    found = the_vm(library, vm)
    confirm(session, f"Lose what the disk of '{found.name}' has now, and go back to '{name}'?", yes=yes)
    begun = library.vms.revert_to_snapshot(RevertToSnapshotRequest(id=found.id, name=name))
    _see_through(session, begun, no_wait=no_wait, done=f"its disk is that of '{name}'.")


def delete_snapshot(session: Session, vm: VmArgument, name: SnapshotArgument, yes: YesOption = False) -> None:
    """Delete a snapshot. The VM's disk stays as it is."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import DeleteSnapshotRequest

    library = session.library
    found = the_vm(library, vm)
    confirm(session, f"Delete the snapshot '{name}' of '{found.name}'?", yes=yes)
    library.vms.delete_snapshot(DeleteSnapshotRequest(id=found.id, name=name))
    if session.json:
        session.out.document({"deleted": {"vm": found.id, "snapshot": name}})
    else:
        session.out.line(f"Deleted the snapshot {name} of {found.name}.")


def _see_through(session: Session, begun: VirtualMachine, *, no_wait: bool, done: str) -> None:
    from image_library.cli.disk_tasks import follow

    if no_wait:
        _tell(session, begun, f"{begun.name}: begun.")
    else:
        ended = follow(session, begun)
        _tell(session, ended, f"{ended.name}: {done}")


def _tell(session: Session, vm: VirtualMachine, line: str) -> None:
    from image_library.cli.output import as_json

    if session.json:
        session.out.document(as_json(vm))
    else:
        session.out.line(line)
