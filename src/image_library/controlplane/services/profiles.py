"""Profiles: kept, and filled in for a VM that is to be made of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.profiles import ProvisioningReader, Said
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.ports.vms import Documents
from image_library.domain.cloud_init import HEADER, Provisioning
from image_library.domain.errors import (
    InvalidProfile,
    InvalidRequest,
    NameTaken,
    UnknownProfile,
    UserDataDenied,
    printable,
)
from image_library.domain.paging import Page, PageRequest
from image_library.domain.profiles.merge import merged, network_over
from image_library.domain.profiles.parameters import Given, Parameter, Value, values_of
from image_library.domain.profiles.placeholders import filled, has_placeholder
from image_library.domain.profiles.profile import Profile, UserDataRule, judge, normalised
from image_library.domain.user_data import append, checked_text, cloud_configs, give_way
from image_library.domain.vm_wish import VmWish

log = structlog.get_logger()

# Whole documents among the fields, and whether they begin with cloud-config's line.
_DOCUMENTS = {"user_data": True, "vendor_data": True, "meta_data": False, "network_config": False}
_LARGEST = 512 * 1024


@dataclass(frozen=True, kw_only=True)
class ProfileWish:
    """A profile as somebody writes it."""

    name: str
    project_id: str = "default"
    description: str = ""
    provisioning: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    parameters: tuple[Parameter, ...] = ()
    rule: UserDataRule = UserDataRule.APPEND
    replace: bool = False


class ProfileService:
    def __init__(
        self,
        *,
        database: Database,
        reader: ProvisioningReader,
        documents: Documents,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._reader = reader
        self._documents = documents
        self._clock = clock
        self._new_id = new_id

    async def create(self, wish: ProfileWish, *, key: str = "") -> Profile:
        """The profile, new or in the place of the one with its name; to a call's second try, what it made.

        Raises:
            InvalidProfile, InvalidName, InvalidPassword: it cannot be one.
            NameTaken: there is one, and it is not to be replaced.
        """
        now = self._clock.now()
        profile = Profile(
            id=self._new_id(),
            name=wish.name,
            project_id=wish.project_id,
            description=wish.description,
            provisioning=normalised(wish.provisioning),
            parameters=wish.parameters,
            rule=wish.rule,
            created_at=now,
            updated_at=now,
        )
        await asyncio.to_thread(self._judge, profile)
        async with self._database.write() as records:
            made = (await records.calls.made(key)).get("profile", "")
            if made and (before := await records.profiles.get(made)):
                return before
            known = await records.profiles.named(wish.name, wish.project_id)
            profile = _in_place_of(known, profile, wish) if known else profile
            await records.profiles.save(profile)
            await records.calls.note(key, profile=profile.id)
        log.info("profile_saved", profile_id=profile.id, revision=profile.revision)
        return profile

    async def get(self, named: str, project_id: str = "default") -> Profile:
        """Raises: UnknownProfile: the project has none with this name or id."""
        async with self._database.read() as records:
            return await _find(records, named, project_id)

    async def list(self, project_id: str, page: PageRequest) -> Page[Profile]:
        async with self._database.read() as records:
            return await records.profiles.list(project_id, page)

    async def delete(self, named: str, project_id: str = "default") -> None:
        """Raises: UnknownProfile: there is none."""
        async with self._database.write() as records:
            profile = await _find(records, named, project_id)
            await records.profiles.remove(profile.id)
        log.info("profile_deleted", profile_id=profile.id)

    async def applied(self, wish: VmWish) -> VmWish:
        """The wish with what its profile says below it; one without a profile is left as it is.

        Raises:
            UnknownProfile, UnknownParameter, MissingParameter, InvalidParameter: they do not fit.
            UserDataDenied: the VM brings user-data that the profile does not take.
        """
        given = Given(plain=wish.parameters, secret=wish.secret_parameters)
        if not wish.profile:
            if given:
                raise InvalidRequest("There are parameters and no profile.", field="parameters")
            return wish
        if wish.windows is not None:
            raise InvalidRequest("Profiles are for cloud-init, not for Windows Setup.", field="profile")
        profile = await self.get(wish.profile, wish.project_id)
        own = wish.provisioning
        if profile.rule is UserDataRule.DENY and (own.user_data or own.vendor_data):
            raise UserDataDenied(
                f"The profile '{profile.name}' takes no user-data of a VM's own.", field="user_data"
            )
        return await asyncio.to_thread(self._filled_in, wish, profile, given)

    def _filled_in(self, wish: VmWish, profile: Profile, given: Given) -> VmWish:
        said = self._said(profile, values_of(profile.parameters, given))
        both = merged(said.provisioning, wish.provisioning)
        if profile.rule is UserDataRule.APPEND:
            both = self._appended(both, said.provisioning, wish.provisioning)
        return replace(
            wish,
            provisioning=both,
            network=network_over(said.network, wish.network),
            datasource=wish.datasource or said.datasource,
            profile=profile.title,
            parameters={},
            secret_parameters={},
        )

    def _appended(self, both: Provisioning, base: Provisioning, own: Provisioning) -> Provisioning:
        changes: dict[str, Any] = {}
        for name in ("user_data", "vendor_data"):
            first, second = getattr(base, name), getattr(own, name)
            if first and second:
                changes[name] = append(self._yielding(first, second, name), second)
        return replace(both, **changes)

    def _yielding(self, first: str, second: str, name: str) -> str:
        """The profile's cloud-config without what the VM's own replaces; anything else as it is."""
        if not _is_cloud_config(first):
            return first
        document = self._documents.read(first, field=name)
        for config in cloud_configs(second):
            document = give_way(document, self._documents.read(config, field=name))
        return self._documents.emit(document, header=HEADER)

    def _judge(self, profile: Profile) -> None:
        judge(profile)
        if len(str(profile.provisioning)) > _LARGEST:
            raise InvalidProfile(f"A profile says at most {_LARGEST} characters.", field="provisioning")
        self._said(profile, {one.name: one.sample() for one in profile.parameters})

    def _said(self, profile: Profile, values: Mapping[str, Value | None]) -> Said:
        rest = dict(profile.provisioning)
        documents: dict[str, str] = {}
        for name, is_config in _DOCUMENTS.items():
            text = rest.get(name)
            if isinstance(text, str) and has_placeholder(text):
                documents[name] = self._document(text, values, name, is_config=is_config)
                del rest[name]
        return self._reader.read(filled(rest, values) | documents)

    def _document(self, text: str, values: Mapping[str, Value | None], name: str, *, is_config: bool) -> str:
        """A document of the profile's own with values in it: read, filled in as data, and emitted."""
        if is_config and not _is_cloud_config(text):
            raise InvalidProfile(
                f"{name} has placeholders and is no #cloud-config.",
                remedy="Values go into data only: write them into a file (files) and let the script read it.",
                field=name,
            )
        document = filled(self._documents.read(text, field=name), values)
        emitted = self._documents.emit(document, header=HEADER if is_config else "")
        return checked_text(emitted, field=name)


def _is_cloud_config(text: str) -> bool:
    return text.lstrip().split("\n", 1)[0].strip() == HEADER


def _in_place_of(known: Profile, profile: Profile, wish: ProfileWish) -> Profile:
    if not wish.replace:
        raise NameTaken(
            f"A profile '{wish.name}' exists already.",
            remedy="Take another name, or replace it: --replace.",
            field="name",
        )
    return profile.evolve(id=known.id, revision=known.revision + 1, created_at=known.created_at)


async def _find(records: Records, named: str, project_id: str) -> Profile:
    found = await records.profiles.named(named, project_id)
    if found is None:
        by_id = await records.profiles.get(named)
        found = by_id if by_id and by_id.project_id == project_id else None
    if found is None:
        raise UnknownProfile(f"There is no profile '{printable(named)}'.", field="profile")
    return found
