"""``launch``: from an image's name to a VM that one can log in to."""

from __future__ import annotations

from typing import Annotated

import typer

from image_library.cli import launch_options as options
from image_library.cli.session import Session, command


def register(app: typer.Typer) -> None:
    command(app, "launch")(launch)


def launch(
    session: Session,
    image: options.ImageArgument,
    name: options.NameOption = "",
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
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the VM to boot.")] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to wait for the boot.")
    ] = 900,
) -> None:
    """Make a VM of an image and wait until one can log in. Prints the ssh command.

    An image that is not here is downloaded and verified first. When no server runs, one is started in
    the background; it and the VM stay when this command has ended.
    """
    from image_library.cli import launching
    from image_library.cli.launch_request import Wish

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
    launching.launch(session, wish, wait_seconds=0 if no_wait else timeout)
