"""``vms preview`` and ``vms preflight``: what ``launch`` would do, looked at before anything is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from image_library.cli import launch_options as options
from image_library.cli.session import Session, command
from image_library.domain.errors import PreflightFailed

if TYPE_CHECKING:
    from limiquantix.compute.v1.vm_pb import CreateVMRequest, Finding

DOCUMENTS = ("user_data", "meta_data", "network_config", "vendor_data")
FINDING_COLUMNS = ("", "CODE", "FINDING", "WHAT TO DO")
_COLOURS = {1: "green", 2: "amber", 3: "red"}


def register(app: typer.Typer) -> None:
    command(app, "preview")(preview)
    command(app, "preflight")(preflight)


def preview(
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
) -> None:
    """Show the documents that a VM would be given, to the byte; only hashes of passwords are hidden.

    The options are those of launch. Nothing is made and nothing is fetched.
    """
    from image_library.cli.output import as_json, plain

    size: dict[str, Any] = {"cpus": cpus, "memory": memory, "disk": disk, "node": node}
    parts: dict[str, Any] = {"firmware": firmware, "secure_boot": secure_boot, "tpm": tpm}
    parts |= {"cpu_model": cpu_model, "devices": devices, "driver_iso": driver_iso, "network": network}
    who: dict[str, Any] = {"name": name, "user": user, "ssh_key": ssh_key, "password_file": password_file}
    told: dict[str, Any] = {"user_data": user_data, "provisioning": provisioning, "profile": profile}
    told |= {"package": package, "run": run, "datasource": datasource}
    told |= {"param": param, "secret_param": secret_param}
    request = _request(session, image, **size, **parts, **who, **told)
    shown = session.library.vms.preview_provisioning(request)
    if session.json:
        session.out.document(as_json(shown))
        return
    for field, path in sorted(shown.paths.items(), key=lambda item: DOCUMENTS.index(item[0])):
        session.out.line(f"==> {path} <==")
        for line in getattr(shown, field).rstrip("\n").split("\n"):
            session.out.line(plain(line))
        session.out.line("")


def preflight(
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
) -> None:
    """Tell whether a VM would come up. Fails where something is red.

    The options are those of launch. Nothing is made and nothing is fetched.
    """
    from image_library.cli.output import as_json

    size: dict[str, Any] = {"cpus": cpus, "memory": memory, "disk": disk, "node": node}
    parts: dict[str, Any] = {"firmware": firmware, "secure_boot": secure_boot, "tpm": tpm}
    parts |= {"cpu_model": cpu_model, "devices": devices, "driver_iso": driver_iso, "network": network}
    who: dict[str, Any] = {"name": name, "user": user, "ssh_key": ssh_key, "password_file": password_file}
    told: dict[str, Any] = {"user_data": user_data, "provisioning": provisioning, "profile": profile}
    told |= {"package": package, "run": run, "datasource": datasource}
    told |= {"param": param, "secret_param": secret_param}
    request = _request(session, image, **size, **parts, **who, **told)
    report = session.library.vms.preflight_vm(request)
    red = [finding for finding in report.findings if int(finding.severity) == 3]
    if session.json and not red:
        session.out.document(as_json(report))
    elif not session.json:
        session.out.table(FINDING_COLUMNS, finding_rows(report.findings), empty="")
    if red:
        error = PreflightFailed(
            f"{len(red)} of the findings {'is' if len(red) == 1 else 'are'} red.",
            remedy="Correct what is red; 'launch --force' goes on all the same where that is possible.",
        )
        raise typer.Exit(session.out.error(error, beside=as_json(report)))


def finding_rows(findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    """What was looked at, with its colour, as rows of ``FINDING_COLUMNS``."""
    from image_library.cli.output import plain

    return [(_COLOURS.get(int(f.severity), ""), f.code, plain(f.message), plain(f.remedy)) for f in findings]


def _request(session: Session, image: str, **options: Any) -> CreateVMRequest:
    """What ``launch`` would ask for with these options, those that may be given again as lists."""
    from image_library.cli import launching
    from image_library.cli.launch_request import Wish

    again = {"package": "packages", "run": "commands", "network": "networks"}
    again |= {"param": "params", "secret_param": "secret_params"}
    listed = {field: tuple(options.pop(option) or ()) for option, field in again.items()}
    request, _ = launching.request_for(session, Wish(image=image, **listed, **options))
    return request
