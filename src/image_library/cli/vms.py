"""``vms``: virtual machines made with ``launch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_library.cli import vms_before, vms_consoles
from image_library.cli.session import Session, YesOption, command, confirm
from image_library.cli.vm_argument import VmArgument

if TYPE_CHECKING:
    from limiquantix.compute.v1.vm_pb import VirtualMachine

app = typer.Typer(no_args_is_help=True, help="Virtual machines.")
vms_before.register(app)


@command(app, "list")
def list_vms(session: Session) -> None:
    """List VMs: how far they are, and where one logs in."""
    from image_library.cli.lookup import all_vms, node_names
    from image_library.cli.output import as_json
    from image_library.cli.vm_views import vm_rows

    vms = list(all_vms(session.library))
    if session.json:
        session.out.document({"vms": [as_json(vm) for vm in vms]})
        return
    empty = "There are no VMs. Make one: 'limiquantix launch IMAGE'."
    columns = ("NAME", "STATE", "STAGE", "IMAGE", "LOGIN", "NODE", "CREATED")
    session.out.table(columns, vm_rows(vms, node_names(session.library)), empty=empty)


@command(app, "show")
def show_vm(session: Session, vm: VmArgument) -> None:
    """Show one VM, with cloud-init's errors and what was said of them, and the host keys that it reported."""
    from image_library.cli import ssh
    from image_library.cli.lookup import node_names, the_vm
    from image_library.cli.vm_views import vm_facts

    found = the_vm(session.library, vm)
    words = _ssh_words(session, found) if found.status and found.status.ssh_port else []
    if session.json:
        _print(session, found)
    else:
        facts = vm_facts(found, node_names(session.library))
        known = [("known_hosts", line) for line in ssh.known_hosts(found)]
        session.out.facts([*facts, *known, ("ssh", ssh.command_line(words))])


@command(app, "ssh")
def ssh_vm(
    session: Session,
    vm: VmArgument,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Run this instead of a shell.")
    ] = None,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", "-i", metavar="FILE", help="The private key to log in with."),
    ] = None,
) -> None:
    """Log in to a VM, or run a command in it. Ends with ssh's own exit status."""
    import os

    from image_library.cli.lookup import the_vm
    from image_library.domain.errors import HypervisorMissing

    command_words = _ssh_words(session, the_vm(session.library, vm), identity, words or [])
    try:
        os.execvp(command_words[0], command_words)  # noqa: S606 - an argument list, no shell
    except OSError:
        raise HypervisorMissing(
            "The program 'ssh' cannot be started.", remedy="Install it: apt-get install openssh-client."
        ) from None


vms_consoles.register(app)


@command(app, "start")
def start_vm(session: Session, vm: VmArgument) -> None:
    """Start a stopped VM."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import StartVMRequest

    library = session.library
    _tell(session, library.vms.start_vm(StartVMRequest(id=the_vm(library, vm).id)))


@command(app, "stop")
def stop_vm(
    session: Session,
    vm: VmArgument,
    force: Annotated[bool, typer.Option("--force", help="Pull the plug instead of asking.")] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, max=600, help="Pull the plug after this.")
    ] = 60,
) -> None:
    """Ask a VM to shut down, and wait until it has."""
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import StopVMRequest

    library = session.library
    request = StopVMRequest(id=the_vm(library, vm).id, force=force, timeout_sec=timeout)
    _tell(session, library.vms.stop_vm(request))


@command(app, "delete")
def delete_vm(
    session: Session,
    vm: VmArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Also when it runs, or when its node is away.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Delete a VM and its disk. Its image stays."""
    from image_library.cli import ssh
    from image_library.cli.lookup import the_vm
    from limiquantix.compute.v1.vm_pb import DeleteVMRequest

    library = session.library
    found = the_vm(library, vm)
    confirm(session, f"Delete the VM '{found.name}' and its disk?", yes=yes)
    library.vms.delete_vm(DeleteVMRequest(id=found.id, force=force))
    ssh.forget(session.data_dir, found.id)
    if session.json:
        session.out.document({"deleted": {"id": found.id, "name": found.name}})
    else:
        session.out.line(f"Deleted {found.name}.")


def _tell(session: Session, vm: VirtualMachine) -> None:
    from image_library.cli.vm_views import state_of

    if session.json:
        _print(session, vm)
    else:
        session.out.line(f"{vm.name}: {state_of(vm)}")


def _print(session: Session, vm: VirtualMachine) -> None:
    from image_library.cli.output import as_json

    session.out.document(as_json(vm))


def _ssh_words(
    session: Session, vm: VirtualMachine, identity: Path | None = None, command_words: list[str] | None = None
) -> list[str]:
    """ssh with the key that was named, else the one of the launch, else every key that may fit."""
    import os

    from image_library.cli import keys, places, ssh

    to = ssh.login(vm)
    ssh.remember(session.data_dir, vm.id, None)
    ssh.pin(session.data_dir, vm)
    known = identity or ssh.remembered_identity(session.data_dir, vm.id)
    home = places.home(os.environ)
    identities = [known] if known else keys.identities(session.data_dir, home)
    return ssh.arguments(to, session.data_dir, identities, command_words or [])
