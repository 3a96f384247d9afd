"""What ``launch`` does: judge what was asked for, fetch the image, create the VM, watch it come up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import typer

from image_library.cli import background, boot, keys, lookup, places, sizes, ssh
from image_library.cli.clients import Library
from image_library.cli.downloads import fetched
from image_library.cli.launch_request import Found, Told, Wish, judge, request_of, spec_of, told
from image_library.cli.output import as_json, plain
from image_library.cli.session import Session
from image_library.domain.errors import NameTaken
from limiquantix.compute.v1.vm_pb import (
    CreateVMRequest,
    VirtualMachine,
)
from limiquantix.storage.v1.image_pb import DownloadImageRequest, Image

MOST_NAMES = 20


def launch(session: Session, wish: Wish, *, wait_seconds: float) -> None:
    """Everything that can be judged without the image is judged before a byte is fetched."""
    if wish.memory:
        sizes.memory_mib(wish.memory)
    if wish.disk:
        sizes.disk_gib(wish.disk)
    said = told(wish)
    home = places.home(os.environ)
    key = keys.chosen(wish.ssh_key, session.data_dir, home) if wish.ssh_key else None
    judge(wish, key, said)
    library = background.library(session)
    found = _find(library, wish.image)
    names = _names(library, wish, found)
    key = key or keys.chosen("", session.data_dir, home)
    if key.made:
        session.out.note(f"Made an SSH key: {key.source}")
    image = _image(session, library, found, wish)
    vm = _create(library, wish, found, image, key, said, names)
    ssh.remember(session.data_dir, vm.id, key.identity)
    for warning in vm.status.warnings if vm.status else ():
        session.out.warn(warning)
    session.out.note(f"Created the VM '{plain(vm.name)}'.")
    if said.provisioned.sysprep:
        # What Windows Setup does is not told to anybody outside.
        wait_seconds = 0
        session.out.note(f"Windows sets itself up now; watch it: limiquantix vms display {plain(vm.name)}")
    if wait_seconds:
        vm = boot.follow(library, vm, session.out, seconds=wait_seconds)
    _tell(session, vm, key, waited=bool(wait_seconds))


def request_for(
    session: Session, wish: Wish, *, make_key: bool = False
) -> tuple[CreateVMRequest, keys.Key | None]:
    """What ``launch`` would ask for, and with which key; where there is none, one is made if it may be."""
    said = told(wish)
    home = places.home(os.environ)
    key = keys.known(wish.ssh_key, session.data_dir, home)
    judge(wish, key, said)
    library = session.library
    found = _find(library, wish.image)
    name = next(_names(library, wish, found))
    if key is None and not said.provisioned.sysprep:
        key = _made_key(session, home, make=make_key)
    spec = spec_of(wish, found, found.image, key, said)
    return request_of(wish, name, spec, said), key


def _made_key(session: Session, home: Path, *, make: bool) -> keys.Key | None:
    if not make:
        session.out.note("You have no SSH key: 'launch' and 'vms create' make one, which is not seen here.")
        return None
    key = keys.chosen("", session.data_dir, home)
    session.out.note(f"Made an SSH key: {key.source}")
    return key


def _find(library: Library, wanted: str) -> Found:
    image, entry = lookup.image_or_entry(library, wanted)
    return Found(image=image, entry=entry)


def _names(library: Library, wish: Wish, found: Found) -> Iterator[str]:
    """The name asked for; without one, the image's name and then that with the next free numbers."""
    taken = {vm.name for vm in lookup.all_vms(library)}
    if wish.name:
        if wish.name in taken:
            raise NameTaken(f"There is a VM '{wish.name}' already.", field="name")
        return iter((wish.name,))
    numbered = (found.name if n == 1 else f"{found.name}-{n}" for n in count(1))
    return (name for name in numbered if name not in taken)


def _image(session: Session, library: Library, found: Found, wish: Wish) -> Image | None:
    """The image, whole and verified; downloaded first when it has to be."""
    entry = found.entry
    if entry is not None and entry.end_of_life:
        session.out.warn(f"Support for {plain(entry.name)} ended on {plain(entry.support_ends)}.")
    if entry is None or _is_ready_at(found.image, wish.node):
        return found.image
    name = found.image.name if found.image else ""
    request = DownloadImageRequest(catalog_id=entry.id, node_id=wish.node, name=name)
    return fetched(session, request, library)


def _is_ready_at(image: Image | None, node: str) -> bool:
    if image is None or not lookup.is_ready(image):
        return False
    ready = [p.node_id for p in image.status.placements if p.state == "ready"] if image.status else []
    return not node or node in ready


def _create(
    library: Library,
    wish: Wish,
    found: Found,
    image: Image | None,
    key: keys.Key,
    said: Told,
    names: Iterator[str],
) -> VirtualMachine:
    spec = spec_of(wish, found, image, key, said)
    refused: NameTaken | None = None
    for name in islice(names, MOST_NAMES):
        try:
            return library.vms.create_vm(request_of(wish, name, spec, said))
        except NameTaken as error:
            # Somebody was quicker: the next number. A name that was asked for has no next.
            refused = error
    raise refused or NameTaken("No free name was found.")


def _tell(session: Session, vm: VirtualMachine, key: keys.Key, *, waited: bool) -> None:
    """The ssh command, and cloud-init's errors if there are any."""
    trouble = boot.cloud_init_failure(vm) if waited else None
    boot.tell_guest(vm, session.out)
    words = _ssh_words(session, vm, key)
    document: dict[str, Any] = {"vm": as_json(vm), "ssh": ssh.command_line(words), "sshCommand": words}
    if session.json and trouble is None:
        session.out.document(document)
    elif not session.json:
        session.out.line(ssh.command_line(words) if words else vm.name)
    if words:
        session.out.note(f"Or: limiquantix vms ssh {plain(vm.name)}")
    if trouble is not None:
        raise typer.Exit(session.out.error(trouble, beside=document))


def _ssh_words(session: Session, vm: VirtualMachine, key: keys.Key) -> list[str]:
    if vm.status is None or not vm.status.ssh_port:
        return []
    ssh.pin(session.data_dir, vm)
    identities = [key.identity] if key.identity else []
    return ssh.arguments(ssh.login(vm), session.data_dir, identities)
