"""A VM's seed from its wish: passwords hashed before anything else, then rendered for its image."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from image_library.controlplane.services.provisioning import Guest, Seed, SeedRenderer
from image_library.controlplane.services.vm_source import Source
from image_library.controlplane.services.windows_answers import AnswerFileRenderer
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import InvalidPassword
from image_library.domain.guest_users import UserWish
from image_library.domain.network_config import Network
from image_library.domain.os_info import ProvisioningMethod
from image_library.domain.password import hashed
from image_library.domain.secret import NOTHING
from image_library.domain.vm import Datasource
from image_library.domain.vm_wish import VmWish
from image_library.domain.windows.answers import WindowsWish

# Larger documents take long enough to hold up everybody else.
LARGE = 4096
# cloud-init's names; the first that an image reads is taken.
_DATASOURCES = {"NoCloud": Datasource.NOCLOUD, "ConfigDrive": Datasource.CONFIG_DRIVE}


class VmSeeds:
    def __init__(
        self, *, renderer: SeedRenderer, answers: AnswerFileRenderer, new_salt: Callable[[], str]
    ) -> None:
        self._renderer = renderer
        self._answers = answers
        self._new_salt = new_salt

    async def prepared(self, wish: VmWish) -> VmWish:
        """The wish without a password in plain. Call it first of all.

        Raises:
            InvalidPassword: one cannot be used.
        """
        asked = wish.provisioning
        if not any(user.password for user in asked.users):
            return wish
        users = await asyncio.to_thread(lambda: tuple(map(self._hashed, asked.users)))
        return replace(wish, provisioning=replace(asked, users=users))

    async def seed(
        self, wish: VmWish, source: Source, *, vm_id: str, network: Network, hide_secrets: bool = False
    ) -> Seed:
        """Raises as ``SeedRenderer.render`` and ``AnswerFileRenderer.render``."""
        windows = windows_wish(wish, source)
        if windows is not None:
            architecture = source.image.os.architecture if source.image else ""
            return self._answers.render(
                windows, vm_name=wish.name, architecture=architecture, hide_secrets=hide_secrets
            )
        guest = Guest(
            vm_name=wish.name,
            instance_id=f"i-{vm_id}",
            image_user=source.user,
            traits=source.traits,
            network=network,
            datasource=wish.datasource or datasource_of(source),
        )
        render = self._renderer.render
        if _is_large(wish.provisioning):
            return await asyncio.to_thread(render, wish.provisioning, guest, hide_secrets=hide_secrets)
        return render(wish.provisioning, guest, hide_secrets=hide_secrets)

    def _hashed(self, user: UserWish) -> UserWish:
        if not user.password:
            return user
        if user.password_hash:
            raise InvalidPassword(
                "A user has a password and a hash; give one of them.", field="users.password"
            )
        return replace(user, password=NOTHING, password_hash=hashed(user.password, salt=self._new_salt()))


def windows_wish(wish: VmWish, source: Source) -> WindowsWish | None:
    """What Windows Setup is asked to be told; an image that waits for it is told something in any case."""
    if wish.windows is not None:
        return wish.windows
    image = source.image
    waits = image is not None and image.os.provisioning_method is ProvisioningMethod.SYSPREP
    return WindowsWish() if waits and wish.provisioning == Provisioning() else None


def datasource_of(source: Source) -> Datasource:
    """NoCloud, unless the image is limited to others of which we make one."""
    found = source.image.found if source.image else None
    known = [_DATASOURCES[name] for name in (found.datasources if found else ()) if name in _DATASOURCES]
    return Datasource.NOCLOUD if not known or Datasource.NOCLOUD in known else known[0]


def _is_large(asked: Provisioning) -> bool:
    files = sum(len(file.text) + len(file.data) for file in asked.system.files)
    return files + sum(map(len, (asked.user_data, asked.meta_data, asked.network_config))) > LARGE
