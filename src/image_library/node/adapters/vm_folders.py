"""The VMs' folders: one a VM, mode 0700, reached through an open directory and never by links."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from image_library.domain.errors import InvalidRequest, StoreNotWritable
from image_library.domain.machine import valid_vm_id
from image_library.node.adapters.store.disk import translated


class VmFolderTree:
    """``root`` is absolute. ``close`` when done."""

    def __init__(self, root: Path, descriptor: int) -> None:
        self._root = root
        self._descriptor = descriptor

    @classmethod
    def open(cls, root: Path) -> VmFolderTree:
        """Makes ``root`` (0700) where it is not there.

        Raises:
            StoreNotWritable: that is not possible.
        """
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreNotWritable(f"The folder {root} cannot be used: {error.strerror}.") from error
        return cls(root, descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def path(self, vm_id: str) -> str:
        return str(self._root / valid_vm_id(vm_id))

    async def make(self, vm_id: str) -> str:
        """Raises StorageFull, StorageIo or StoreNotWritable."""
        await asyncio.to_thread(self._make, valid_vm_id(vm_id))
        return self.path(vm_id)

    async def remove(self, vm_id: str) -> None:
        """Raises StorageIo where something of it cannot be removed."""
        await asyncio.to_thread(self._remove, valid_vm_id(vm_id))

    async def drop(self, vm_id: str, name: str) -> None:
        """Raises StorageIo where it cannot be removed."""
        await asyncio.to_thread(self._drop, valid_vm_id(vm_id), name)

    async def files(self, vm_id: str) -> tuple[str, ...]:
        return await asyncio.to_thread(self._files, valid_vm_id(vm_id))

    async def size(self, vm_id: str) -> int:
        return await asyncio.to_thread(self._size, valid_vm_id(vm_id))

    async def listed(self) -> tuple[str, ...]:
        return await asyncio.to_thread(self._listed)

    def _make(self, vm_id: str) -> None:
        self._remove(vm_id)
        try:
            os.mkdir(vm_id, mode=0o700, dir_fd=self._descriptor)
            os.fsync(self._descriptor)
        except OSError as error:
            raise translated(error, "making the VM's folder") from error

    def _remove(self, vm_id: str) -> None:
        try:
            if stat.S_ISDIR(os.stat(vm_id, dir_fd=self._descriptor, follow_symlinks=False).st_mode):
                # It walks by open directories, so a link in there is removed, not followed.
                shutil.rmtree(vm_id, dir_fd=self._descriptor)
            else:
                os.unlink(vm_id, dir_fd=self._descriptor)
            os.fsync(self._descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            raise translated(error, "removing the VM's folder") from error

    @contextmanager
    def _opened(self, vm_id: str) -> Generator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(vm_id, flags, dir_fd=self._descriptor)
        try:
            yield folder
        finally:
            os.close(folder)

    def _drop(self, vm_id: str, name: str) -> None:
        try:
            with self._opened(vm_id) as folder:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise translated(error, "removing a VM's file") from error

    def _files(self, vm_id: str) -> tuple[str, ...]:
        try:
            with self._opened(vm_id) as folder, os.scandir(folder) as entries:
                return tuple(sorted(entry.name for entry in entries))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise translated(error, "looking into the VM's folder") from error

    def _size(self, vm_id: str) -> int:
        try:
            with self._opened(vm_id) as folder, os.scandir(folder) as entries:
                return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries)
        except OSError:
            return 0

    def _listed(self) -> tuple[str, ...]:
        with os.scandir(self._descriptor) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        return tuple(sorted(name for name in names if _is_vm_id(name)))


def _is_vm_id(name: str) -> bool:
    """Whatever else lies there is not ours."""
    try:
        valid_vm_id(name)
    except InvalidRequest:
        return False
    return True
