"""Changes of the library on the wire."""

from __future__ import annotations

from collections.abc import Callable

from protobuf import Oneof

from image_library.domain.errors import Internal
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.library_change import Change, Mark
from image_library.domain.node import Node
from image_library.domain.vm import Vm
from image_library.wire.job import job_to_wire
from image_library.wire.node import node_to_wire
from image_library.wire.vm import vm_to_wire
from limiquantix.storage.v1 import image_pb as pb


def change_to_wire(
    sequence: int, what: Change | Mark, image_message: Callable[[Image], pb.Image]
) -> pb.LibraryChange:
    """``image_message`` makes, or knows, the message of an image."""
    match what:
        case Mark.RESET:
            return pb.LibraryChange(sequence=sequence, change=Oneof("reset", True))
        case Mark.UP_TO_DATE:
            return pb.LibraryChange(sequence=sequence, change=Oneof("up_to_date", True))
        case Change(item=None, kind=kind, id=item_id):
            return pb.LibraryChange(
                sequence=sequence, change=Oneof("removed", pb.RemovedItem(kind=kind.value, id=item_id))
            )
        case Change(item=Image() as image):
            return pb.LibraryChange(sequence=sequence, change=Oneof("image", image_message(image)))
        case Change(item=Job() as job):
            return pb.LibraryChange(sequence=sequence, change=Oneof("job", job_to_wire(job)))
        case Change(item=Node() as node):
            return pb.LibraryChange(sequence=sequence, change=Oneof("node", node_to_wire(node)))
        case Change(item=Vm() as vm):
            return pb.LibraryChange(sequence=sequence, change=Oneof("vm", vm_to_wire(vm)))
        case _:
            raise Internal("The library changed in a way that has no message.")
