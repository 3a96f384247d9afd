"""``profiles``: what several VMs are told alike."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from image_library.cli.session import Session, YesOption, command, confirm

app = typer.Typer(no_args_is_help=True, help="Provisioning profiles: what several VMs are told alike.")
ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="The profile's name or id.")]


@command(app, "create")
def create_profile(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What it says, as TOML: docs/profiles.md.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Instead of the file's.")] = "",
    replace: Annotated[
        bool,
        typer.Option("--replace", help="In the place of one of that name; VMs stay as they are."),
    ] = False,
) -> None:
    """Keep a profile, to be used by 'launch --profile NAME'."""
    from image_library.cli import profile_file
    from image_library.cli.output import as_json

    made = session.library.profiles.create_profile(profile_file.read(file, name=name, replace=replace))
    if session.json:
        session.out.document({"profile": as_json(made)})
    else:
        session.out.line(f"{made.name}: revision {made.revision}")


@command(app, "list")
def list_profiles(session: Session) -> None:
    """List profiles, with the parameters that each of them takes."""
    from image_library.cli.clients import PAGE, pages
    from image_library.cli.output import as_json
    from image_library.cli.profile_views import COLUMNS, row
    from limiquantix.compute.v1.profile_pb import ListProfilesRequest

    client = session.library.profiles
    answers = pages(lambda token: client.list_profiles(ListProfilesRequest(page_size=PAGE, page_token=token)))
    found = list(chain.from_iterable(answer.profiles for answer in answers))
    if session.json:
        session.out.document({"profiles": [as_json(profile) for profile in found]})
        return
    empty = "There are no profiles. Make one: 'limiquantix profiles create FILE'."
    session.out.table(COLUMNS, [row(profile) for profile in found], empty=empty)


@command(app, "show")
def show_profile(session: Session, profile: ProfileArgument) -> None:
    """Show what a profile says and takes; hashes of passwords are hidden."""
    from image_library.cli.output import as_json
    from image_library.cli.profile_views import facts
    from limiquantix.compute.v1.profile_pb import GetProfileRequest

    found = session.library.profiles.get_profile(GetProfileRequest(name=profile))
    if session.json:
        session.out.document({"profile": as_json(found)})
    else:
        session.out.facts(facts(found))


@command(app, "delete")
def delete_profile(session: Session, profile: ProfileArgument, yes: YesOption = False) -> None:
    """Delete a profile. VMs that were made of it keep what they were told."""
    from limiquantix.compute.v1.profile_pb import DeleteProfileRequest, GetProfileRequest

    client = session.library.profiles
    found = client.get_profile(GetProfileRequest(name=profile))
    confirm(session, f"Delete the profile '{found.name}'?", yes=yes)
    client.delete_profile(DeleteProfileRequest(name=found.id))
    if session.json:
        session.out.document({"deleted": {"id": found.id, "name": found.name}})
    else:
        session.out.line(f"Deleted {found.name}.")
