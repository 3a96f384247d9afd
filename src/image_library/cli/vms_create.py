"""``vms create``: one VM or several alike, made without waiting for their boot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_library.cli import launch_options as options
from image_library.cli.session import Session, command
from image_library.cli.vms import app

if TYPE_CHECKING:
    from limiquantix.compute.v1.vm_pb import CreatedVM


@command(app, "create")
def create_vms(
    session: Session,
    image: options.ImageArgument,
    name: options.NameOption = "",
    count: Annotated[
        int,
        typer.Option(
            "--count", metavar="N", min=1, max=256, help="So many: NAME-001, NAME-002, ... One alone is NAME."
        ),
    ] = 1,
    no_start: Annotated[bool, typer.Option("--no-start", help="Make them, and start none.")] = False,
    cpus: options.CpusOption = 2,
    memory: options.MemoryOption = "",
    disk: options.DiskOption = "",
    firmware: options.FirmwareOption = options.FirmwareWord.AUTO,
    secure_boot: options.SecureBootOption = False,
    tpm: options.TpmOption = False,
    cpu_model: options.CpuModelOption = options.CpuModelWord.AUTO,
    devices: options.DevicesOption = options.DevicesWord.AUTO,
    driver_iso: options.DriverIsoOption = "",
    network: options.NetworkOption = None,
    user: options.UserOption = "",
    ssh_key: options.SshKeyOption = "",
    password_file: options.PasswordFileOption = "",
    package: options.PackageOption = None,
    run: options.RunOption = None,
    user_data: options.UserDataOption = None,
    provisioning: options.ProvisioningOption = None,
    datasource: options.DatasourceOption = options.DatasourceWord.AUTO,
    profile: options.ProfileOption = "",
    param: options.ParamOption = None,
    secret_param: options.SecretParamOption = None,
    node: options.NodeOption = "",
    force: options.ForceOption = False,
) -> None:
    """Make VMs of an image and return: one, or several that differ in their names only.

    An image that is not here is fetched by the server, and an SSH key is made where you have none. Fails
    where one of the VMs could not be made; the others are there.
    """
    from image_library.cli import launching, ssh
    from image_library.cli.launch_request import Wish
    from limiquantix.compute.v1.vm_pb import CreateVMsRequest

    wish = Wish(
        image=image,
        name=name,
        cpus=cpus,
        memory=memory,
        disk=disk,
        firmware=firmware,
        secure_boot=secure_boot,
        tpm=tpm,
        cpu_model=cpu_model,
        devices=devices,
        driver_iso=driver_iso,
        networks=tuple(network or ()),
        user=user,
        ssh_key=ssh_key,
        packages=tuple(package or ()),
        commands=tuple(run or ()),
        user_data=user_data,
        password_file=password_file,
        provisioning=provisioning,
        datasource=datasource,
        profile=profile,
        params=tuple(param or ()),
        secret_params=tuple(secret_param or ()),
        node=node,
        force=force,
    )
    request, key = launching.request_for(session, wish, make_key=True)
    request.start_on_create = not no_start
    answer = session.library.vms.create_v_ms(CreateVMsRequest(vm=request, count=count))
    made = [one.vm for one in answer.vms if one.vm]
    for vm in made:
        ssh.remember(session.data_dir, vm.id, key.identity if key else None)
    for warning in dict.fromkeys(text for vm in made if vm.status for text in vm.status.warnings):
        session.out.warn(warning)
    _tell(session, list(answer.vms))


def _tell(session: Session, made: list[CreatedVM]) -> None:
    from image_library.cli.output import as_json, plain
    from image_library.domain.errors import rebuild

    document: dict[str, Any] = {"vms": [as_json(one) for one in made]}
    failed = [one for one in made if one.error_code]
    if not session.json:
        for one in made:
            session.out.line(f"{one.name}: {plain(one.error_message) if one.error_code else 'made'}")
    elif not failed:
        session.out.document(document)
    if failed:
        first = failed[0]
        error = rebuild(first.error_code, first.error_message, remedy=first.error_remedy)
        session.out.note(f"{len(failed)} of {len(made)} VMs could not be made.")
        raise typer.Exit(session.out.error(error, beside=document))
