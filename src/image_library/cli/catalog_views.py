"""The state of the catalog as facts."""

from __future__ import annotations

from image_library.cli.output import as_json
from image_library.cli.session import Session
from limiquantix.storage.v1.image_pb import CatalogState


def show(session: Session, state: CatalogState) -> None:
    if session.json:
        session.out.document({"catalog": as_json(state)})
    else:
        session.out.facts(catalog_facts(state))


def catalog_facts(state: CatalogState) -> list[tuple[str, str]]:
    used = "the one that came with the program"
    if state.version:
        used = f"version {state.version}, written {state.written}, {state.age}"
    problem = f"{state.error_message} ({state.error_code})" if state.error_code else ""
    return [
        ("catalog", used),
        ("good until", state.expires),
        ("newer ones", "looked for" if state.configured else "not taken: catalog_keys is empty"),
        ("last asked", state.asked_at),
        ("problem", problem),
        ("warning", state.warning),
    ]
