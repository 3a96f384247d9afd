"""What can be told of a VM before it is made: the facts gathered, and looked at by the domain's checks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import available_timezones

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.ports.vms import ConfigSchema, Documents
from image_library.controlplane.services.node_choice import find_node
from image_library.controlplane.services.provisioning import Seed
from image_library.controlplane.services.vm_seeds import windows_wish
from image_library.controlplane.services.vm_source import Source
from image_library.domain.capabilities import told
from image_library.domain.catalog import Catalog
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import InvalidUserData, PreflightFailed
from image_library.domain.guest_facts import completed
from image_library.domain.guest_hardware import devices_for
from image_library.domain.network_config import Network
from image_library.domain.network_wish import bridges_of
from image_library.domain.node import Node, NodePhase
from image_library.domain.os_info import OsInfo
from image_library.domain.preflight import Finding, Problem, Severity, Subject, look
from image_library.domain.processors import cpu_model
from image_library.domain.user_data import cloud_configs
from image_library.domain.vm_wish import DiskWish, VmWish, firmware_for, machine_size, tpm_for


class VmPreflight:
    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        documents: Documents,
        schema: ConfigSchema,
        clock: Clock,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._documents = documents
        self._schema = schema
        self._clock = clock

    async def findings(
        self, wish: VmWish, disk: DiskWish, source: Source, network: Network, seed: Seed
    ) -> tuple[Finding, ...]:
        """Raises: LibraryError: what making the VM would be refused for anyway."""
        configs, problems = await self._judged(wish.provisioning)
        image, entry = source.image, source.entry
        if entry is None and image is not None:
            entry = self._catalog.find(image.catalog_id)
        declared = image.os if image else entry.os if entry else OsInfo()
        given = wish.provisioning.network_config
        nodes = await self._nodes(wish.node)
        subject = Subject(
            asked=wish.provisioning,
            identity=seed.identity,
            configs=configs,
            problems=problems,
            datasource=seed.documents.datasource,
            windows=windows_wish(wish, source),
            network=network,
            network_config=self._documents.read(given, field="network_config") if given else {},
            image_name=image.title if image else entry.id if entry else disk.image,
            os=completed(declared, image.found if image else None),
            traits=source.traits,
            found=image.found if image else None,
            needs=source.needs,
            trust=image.trust if image and image.digest else None,
            warnings=image.warnings if image else (),
            support_ends=entry.support_ends if entry else None,
            today=self._clock.now().date(),
            virtual_size_bytes=image.virtual_size_bytes if image else 0,
            disk_gib=disk.size_gib,
            memory_mib=machine_size(wish, source.needs).memory_mib,
            firmware=firmware_for(wish, source.needs, source.firmware_found),
            tpm=tpm_for(wish, source.needs),
            cpu_model=cpu_model(wish.cpu_model),
            devices=devices_for(wish.devices, source.os.family),
            has_drivers=bool(wish.driver_iso),
            bridges=bridges_of(wish.network),
            node_architectures=frozenset(n.architecture for n in nodes if n.architecture),
            node_accelerators=frozenset(n.accelerator for n in nodes if n.accelerator),
            node_capabilities=tuple(told(n.capabilities) for n in nodes if n.capabilities),
            timezones=await self._timezones(wish.provisioning),
        )
        return look(subject)

    async def _judged(self, asked: Provisioning) -> tuple[tuple[Mapping[str, Any], ...], tuple[Problem, ...]]:
        """The caller's own cloud-configs as data, and what the schema says of them."""
        if not asked.user_data:
            return (), ()
        # Loading the schema, and reading a large document, hold up everybody else.
        return await asyncio.to_thread(lambda: _split(self._each(asked.user_data)))

    def _each(self, user_data: str) -> Iterator[tuple[Mapping[str, Any], tuple[Problem, ...]]]:
        try:
            texts = cloud_configs(user_data)
        except InvalidUserData:
            # Of a kind that another check speaks of, or a template.
            return
        for text in texts:
            try:
                document = self._documents.read(text, field="user_data")
            except InvalidUserData as error:
                yield (
                    {},
                    (Problem(path="The cloud-config", what=f"cannot be read: {error.message}".rstrip(".")),),
                )
            else:
                yield document, self._schema.problems(document)

    async def _nodes(self, named: str) -> list[Node]:
        """Those that may run it and answer."""
        async with self._database.read() as records:
            nodes = [await find_node(records, named)] if named else await records.nodes.all()
        return [node for node in nodes if node.phase is NodePhase.READY]

    async def _timezones(self, asked: Provisioning) -> frozenset[str]:
        return (
            frozenset(await asyncio.to_thread(available_timezones)) if asked.system.timezone else frozenset()
        )


def refuse_red(findings: tuple[Finding, ...]) -> None:
    """Raises: PreflightFailed: there is a red one."""
    red = [finding for finding in findings if finding.severity is Severity.RED]
    if not red:
        return
    first, more = red[0], len(red) - 1
    also = f" There {'is' if more == 1 else 'are'} {more} more like it." if more else ""
    raise PreflightFailed(
        f"{first.message}{also}",
        remedy=f"{first.fix} 'limiquantix vms preflight' shows all of it; --force goes on.".strip(),
        field=first.field,
    )


def _split(
    judged: Iterator[tuple[Mapping[str, Any], tuple[Problem, ...]]],
) -> tuple[tuple[Mapping[str, Any], ...], tuple[Problem, ...]]:
    both = list(judged)
    return tuple(document for document, _ in both), tuple(p for _, problems in both for p in problems)
