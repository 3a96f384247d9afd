"""What ``launch`` does: judge what was asked for, fetch the image, create the VM, watch it come up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import typer
from protobuf import Oneof

from image_library.cli import background, boot, keys, lookup, places, sizes, ssh
from image_library.cli.clients import Library
from image_library.cli.downloads import fetched
from image_library.cli.output import as_json, plain
from image_library.cli.session import Session
from image_library.domain.cloud_init import Provisioning, identity_of
from image_library.domain.errors import DiskTooSmall, InvalidUserData, NameTaken, printable
from image_library.domain.identity import valid_name
from image_library.domain.os_info import GuestTraits
from image_library.domain.user_data import checked_text
from limiquantix.compute.v1.vm_pb import (
    CloudInitConfig,
    CpuConfig,
    CreateVMRequest,
    DiskDevice,
    MemoryConfig,
    ProvisioningConfig,
    VirtualMachine,
    VmSpec,
)
from limiquantix.storage.v1.image_pb import DownloadImageRequest, Image, ImageCatalogEntry, ImageRequirements

DEFAULT_MEMORY_MIB = 1024
DEFAULT_DISK_GIB = 10
MOST_NAMES = 20


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the options ask for; sizes are text as given, empty for the default."""

    image: str
    name: str = ""
    cpus: int = 2
    memory: str = ""
    disk: str = ""
    user: str = ""
    ssh_key: str = ""
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    user_data: Path | None = None
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What IMAGE means: an image that is here, a catalog entry, or an image made from an entry."""

    image: Image | None
    entry: ImageCatalogEntry | None

    @property
    def name(self) -> str:
        return self.entry.id if self.entry else (self.image.name if self.image else "vm")

    @property
    def needs(self) -> ImageRequirements:
        of_image = self.image.spec.requirements if self.image and self.image.spec else None
        return of_image or (self.entry.requirements if self.entry else None) or ImageRequirements()


def launch(session: Session, wish: Wish, *, wait_seconds: float) -> None:
    """Everything that can be judged without the image is judged before a byte is fetched."""
    if wish.memory:
        sizes.memory_mib(wish.memory)
    if wish.disk:
        sizes.disk_gib(wish.disk)
    user_data = _user_data(wish.user_data)
    home = places.home(os.environ)
    key = keys.chosen(wish.ssh_key, session.data_dir, home) if wish.ssh_key else None
    _judge(wish, key, user_data)
    library = background.library(session)
    found = _find(library, wish.image)
    names = _names(library, wish, found)
    key = key or keys.chosen("", session.data_dir, home)
    if key.made:
        session.out.note(f"Made an SSH key: {key.source}")
    image = _image(session, library, found, wish)
    vm = _create(library, wish, found, image, key, user_data, names)
    ssh.remember(session.data_dir, vm.id, key.identity)
    for warning in vm.status.warnings if vm.status else ():
        session.out.warn(warning)
    session.out.note(f"Created the VM '{plain(vm.name)}'.")
    if wait_seconds:
        vm = boot.follow(library, vm, session.out, seconds=wait_seconds)
    _tell(session, vm, key, waited=bool(wait_seconds))


def _user_data(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return checked_text(path.expanduser().read_text(encoding="utf-8"), field="user_data")
    except OSError as error:
        why = error.strerror or "it cannot be opened"
        raise InvalidUserData(
            f"'{printable(str(path))}' cannot be read: {why}.",
            remedy="Name a file that can be read.",
            field="user_data",
        ) from None
    except UnicodeDecodeError:
        raise InvalidUserData(f"'{printable(str(path))}' is not UTF-8 text.", field="user_data") from None


def _judge(wish: Wish, key: keys.Key | None, user_data: str) -> None:
    """Raises what the server would raise, after the download."""
    if wish.name:
        valid_name(wish.name)
    asked = Provisioning(
        user_data=user_data,
        default_user=wish.user,
        ssh_authorized_keys=key.public if key else (),
        packages=wish.packages,
        run_commands=wish.commands,
    )
    identity_of(asked, vm_name=wish.name or "vm", image_user="user", traits=GuestTraits())


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
    user_data: str,
    names: Iterator[str],
) -> VirtualMachine:
    spec = _spec(wish, found, image, key, user_data)
    refused: NameTaken | None = None
    for name in islice(names, MOST_NAMES):
        request = CreateVMRequest(name=name, spec=spec, start_on_create=True, node_id=wish.node)
        try:
            return library.vms.create_vm(request)
        except NameTaken as error:
            # Somebody was quicker: the next number. A name that was asked for has no next.
            refused = error
    raise refused or NameTaken("No free name was found.")


def _spec(wish: Wish, found: Found, image: Image | None, key: keys.Key, user_data: str) -> VmSpec:
    cloud_init = CloudInitConfig(
        user_data=user_data,
        default_user=wish.user,
        ssh_authorized_keys=list(key.public),
        packages=list(wish.packages),
        run_commands=list(wish.commands),
    )
    return VmSpec(
        cpu=CpuConfig(cores=wish.cpus),
        memory=MemoryConfig(size_mib=_memory(wish, found)),
        disks=[DiskDevice(image=image.id if image else wish.image, size_gib=_disk(wish, found, image))],
        provisioning=ProvisioningConfig(method=Oneof("cloud_init", cloud_init)),
    )


def _memory(wish: Wish, found: Found) -> int:
    if wish.memory:
        return sizes.memory_mib(wish.memory)
    return max(DEFAULT_MEMORY_MIB, found.needs.min_memory_mib)


def _disk(wish: Wish, found: Found, image: Image | None) -> int:
    virtual = image.status.virtual_size_bytes if image and image.status else 0
    if wish.disk:
        # The wire counts in GiB: that the size is rounded up must not make a refusal into a surprise.
        if sizes.parse_size(wish.disk, "--disk") < virtual:
            raise DiskTooSmall(
                f"A disk of {wish.disk} is smaller than the image, which has {sizes.shown(virtual)}.",
                field="disk",
            )
        return sizes.disk_gib(wish.disk)
    return max(DEFAULT_DISK_GIB, found.needs.min_disk_gib, -(-virtual // sizes.GIB))


def _tell(session: Session, vm: VirtualMachine, key: keys.Key, *, waited: bool) -> None:
    """The ssh command, and cloud-init's errors if there are any."""
    trouble = boot.cloud_init_failure(vm) if waited else None
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
    identities = [key.identity] if key.identity else []
    return ssh.arguments(ssh.login(vm), session.data_dir, identities)
