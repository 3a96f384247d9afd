"""``images prove``: whether an image boots, tried with a throw-away VM."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli.images import ImageArgument, NodeOption, app
from image_library.cli.launch_options import ParamOption, SecretParamOption
from image_library.cli.session import Session, command


@command(app, "prove")
def prove_image(
    session: Session,
    image: ImageArgument,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help="Tell the guest what this profile says.")
    ] = "",
    param: ParamOption = None,
    secret_param: SecretParamOption = None,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long it may take. Default: 900.")
    ] = 0,
    node: NodeOption = "",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow it to its end, or only start it.")
    ] = True,
) -> None:
    """Boot a throw-away VM of an image, log in, and keep what came of it as evidence."""
    from image_library.cli import profile_values
    from image_library.cli.lookup import the_image
    from image_library.cli.proof_views import show_proved
    from limiquantix.storage.v1.image_pb import ProveImageRequest

    request = ProveImageRequest(
        image=the_image(session.library, image).id,
        profile=profile,
        parameters=profile_values.plain(param),
        secret_parameters=profile_values.secret(secret_param),
        timeout_seconds=timeout,
        node_id=node,
    )
    show_proved(session, session.library.images.prove_image(request), wait=wait)
