"""Deleting against creating, clearing against importing: every order of their transactions is played."""

from __future__ import annotations

from itertools import count
from typing import Any

from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.deletions import ImageDeletion
from image_library.domain.errors import ImageInUse, LibraryError, VmRunning
from image_library.domain.image import Image, ImagePhase, PlacementState
from image_library.domain.job import JobState
from image_library.domain.node import Node
from image_library.domain.os_info import OsInfo
from image_library.domain.store import Download
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from tests.fakes.control_nodes import FakeNodes
from tests.fakes.control_values import (
    a_copy,
    a_job,
    a_node,
    a_published_image,
    a_ready_image,
    a_vm,
    an_evidence,
    an_image,
    an_order,
)
from tests.fakes.control_vms import FakeNodeVms, VmPlane, a_wish
from tests.fakes.interleaving import SteppedDatabase, Turns, every_order

_ROUNDS = count(1)


class Bytes(FakeNodes):
    """Nodes whose blobs come and go; each call to them is a step of its caller."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.blobs: set[tuple[str, str]] = set()
        self._turns = turns

    async def remove_image(self, node: Node, digest: str) -> None:
        await self._turns.step()
        self._reach(node)
        self.blobs.discard((node.id, digest))


class Machines(FakeNodeVms):
    """Nodes that make VMs only on bytes that are there, and remember where one was made without."""

    def __init__(self, turns: Turns, nodes: Bytes) -> None:
        super().__init__()
        self._turns = turns
        self._nodes = nodes

    async def create(self, node: Node, vm: Vm) -> None:
        await self._turns.step()
        assert (node.id, vm.image_digest) in self._nodes.blobs, "a VM without its base"
        await super().create(node, vm)


class Stage:
    """A fresh image, node and plane for each play; one database for all of them."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self.round = next(_ROUNDS)
        self.digest = f"sha256:{self.round:064x}"
        self.image_id, self.name = f"image-{self.round}", f"golden-{self.round}"
        nodes = Bytes(turns)
        nodes.blobs.add(("node-1", self.digest))
        self.nodes = nodes
        self.plane = VmPlane(
            database=SteppedDatabase(database, turns),
            node_vms=Machines(turns, nodes),
            nodes=nodes,
            prefix=f"round-{self.round}",
        )

    async def ready(self, **changes: Any) -> None:
        facts: dict[str, Any] = {"name": self.name, "digest": self.digest, "os": OsInfo(default_user="ops")}
        await self.plane.know(a_node(), a_ready_image(self.image_id, **{**facts, **changes}))

    async def image(self) -> Image | None:
        async with self.plane.database.read() as records:
            return await records.images.get(self.image_id)


async def test_a_delete_and_a_new_vm_never_both_win(database: Database) -> None:
    outcomes: set[tuple[bool, bool]] = set()

    async def play(turns: Turns) -> None:
        stage = Stage(database, turns)
        await stage.ready()
        wish = a_wish(f"vm-{stage.round}", stage.name)
        deleted, made = await turns.run(
            stage.plane.deletions.delete(ImageDeletion(name=stage.image_id)), stage.plane.vms.create(wish)
        )
        await stage.plane.close()
        outcomes.add((deleted is None, isinstance(made, Vm)))
        assert (deleted is None) != isinstance(made, Vm), (deleted, made)
        assert deleted is None or isinstance(deleted, ImageInUse)
        assert isinstance(made, Vm | LibraryError), made
        assert (await stage.image() is None) == (deleted is None)
        there = ("node-1", stage.digest) in stage.nodes.blobs
        assert there == isinstance(made, Vm)

    in_memory = isinstance(database, MemoryDatabase)
    assert await every_order(play, switches=None if in_memory else 3) > 200
    assert outcomes == {(True, False), (False, True)}


async def test_a_delete_that_frees_a_vm_and_a_new_vm_never_both_win(database: Database) -> None:
    outcomes: set[tuple[bool, bool]] = set()

    async def play(turns: Turns) -> None:
        stage = Stage(database, turns)
        await stage.ready()
        old = f"old-{stage.round}"
        at_rest = VmReport(vm_id=old, state=PowerState.STOPPED, stage=BootStage.DONE)
        image = {"image_id": stage.image_id, "image_digest": stage.digest, "image_name": stage.name}
        await stage.plane.know(a_vm(old, node_id="node-1", report=at_rest, **image))
        stage.plane.node_vms.reports[old] = at_rest
        wish = a_wish(f"vm-{stage.round}", stage.name)
        deleted, made = await turns.run(
            stage.plane.deletions.delete(ImageDeletion(name=stage.image_id, flatten=True)),
            stage.plane.vms.create(wish),
        )
        await stage.plane.close()
        outcomes.add((deleted is None, isinstance(made, Vm)))
        assert (deleted is None) != isinstance(made, Vm), (deleted, made)
        assert deleted is None or isinstance(deleted, ImageInUse | VmRunning)
        there = await stage.image()
        assert (there is None) == (deleted is None)
        assert there is None or there.phase is ImagePhase.READY
        assert (("node-1", stage.digest) in stage.nodes.blobs) == isinstance(made, Vm)

    in_memory = isinstance(database, MemoryDatabase)
    assert await every_order(play, switches=4 if in_memory else 2) > 100
    assert outcomes == {(True, False), (False, True)}


async def test_two_deletes_are_one(database: Database) -> None:
    async def play(turns: Turns) -> None:
        stage = Stage(database, turns)
        await stage.ready()
        wish = ImageDeletion(name=stage.image_id)
        ends = await turns.run(*(stage.plane.deletions.delete(wish) for _ in range(2)))
        await stage.plane.close()
        assert ends.count(None) == 1
        assert stage.nodes.blobs == set()

    assert await every_order(play) > 2


async def test_bytes_that_an_import_found_again_are_never_taken_away(database: Database) -> None:
    """The node had the bytes of a deleted image; a job for the same bytes ends while they are cleared."""

    async def play(turns: Turns) -> None:
        stage = Stage(database, turns)
        await stage.ready()
        stage.nodes.away.add("node-1")
        await stage.plane.deletions.delete(ImageDeletion(name=stage.image_id))
        stage.nodes.away.clear()
        new_id, job_id = f"new-{stage.round}", f"job-{stage.round}"
        job = a_job(job_id, image_id=new_id, image_name=stage.name, state=JobState.FETCHING)
        fresh = an_image(new_id, name=stage.name, placements=(a_copy(),))
        fresh = fresh.with_placement(a_copy()).evolve(phase=ImagePhase.DOWNLOADING)
        order = an_order(job_id, image_id=new_id)
        await stage.plane.know(fresh)
        async with stage.plane.database.write() as records:
            await records.jobs.add(job, order)

        async def landing() -> None:
            # The node answers from its journal: the bytes are those that it still has.
            await turns.step()
            assert ("node-1", stage.digest) in stage.nodes.blobs, "taken away under a job"
            published = a_published_image(digest=stage.digest, evidence=an_evidence())
            done = Download(order=order, state=JobState.READY, published=published)
            await stage.plane.written.end(job, order, done)

        ended = await turns.run(stage.plane.deletions.go_on(), landing())
        await stage.plane.close()
        assert ended == [None, None]
        async with stage.plane.database.read() as records:
            image = await records.images.get(new_id)
        assert image is not None
        assert [p.state for p in image.placements] == [PlacementState.READY]
        assert ("node-1", stage.digest) in stage.nodes.blobs
        await stage.plane.deletions.go_on()
        assert ("node-1", stage.digest) in stage.nodes.blobs

    assert await every_order(play) > 3
