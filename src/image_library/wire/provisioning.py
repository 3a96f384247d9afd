"""What a guest is to be told, as clients ask for it, and the documents that it would be told in."""

from __future__ import annotations

from image_library.domain.cloud_init import Provisioning
from image_library.domain.guest_system import (
    Growth,
    GuestFile,
    GuestSystem,
    Keyboard,
    Mount,
    PhoneHome,
    Proxy,
)
from image_library.domain.guest_users import Privilege, UserWish
from image_library.domain.repositories import Repository
from image_library.domain.secret import Secret
from image_library.domain.seed_files import seed_layout
from image_library.domain.vm import Datasource, SeedDocuments
from image_library.domain.windows.answers import WindowsWish
from image_library.wire.enums import known
from limiquantix.compute.v1 import vm_pb as pb

_PRIVILEGES = {
    pb.GuestUser.Privilege.USUAL: Privilege.USUAL,
    pb.GuestUser.Privilege.ADMINISTRATOR: Privilege.ADMINISTRATOR,
    pb.GuestUser.Privilege.NONE: Privilege.NONE,
}
_GROWTHS = {
    pb.DiskGrowth.USUAL: Growth.USUAL,
    pb.DiskGrowth.OFF: Growth.OFF,
    pb.DiskGrowth.NAMED: Growth.NAMED,
}
_DATASOURCES = {
    Datasource.NOCLOUD: pb.Datasource.NOCLOUD,
    Datasource.CONFIG_DRIVE: pb.Datasource.CONFIG_DRIVE,
    Datasource.NOCLOUD_SMBIOS: pb.Datasource.NOCLOUD_SMBIOS,
    Datasource.ANSWER_FILE: pb.Datasource.ANSWER_FILE,
}
_DATASOURCES_BACK = {there: here for here, there in _DATASOURCES.items()}


def preview_to_wire(seed: SeedDocuments, user: str) -> pb.ProvisioningPreview:
    layout = seed_layout(seed.datasource)
    shown = {name: getattr(seed, name) for name in layout.paths}
    return pb.ProvisioningPreview(
        **shown,
        datasource=_DATASOURCES[seed.datasource],
        paths={name: layout.paths[name] for name, text in shown.items() if text},
        user=user,
    )


def datasource_from_wire(number: pb.Datasource) -> Datasource | None:
    """None: what the image reads. Raises: InvalidRequest: the number is none of the contract's."""
    return known(number, {**_DATASOURCES_BACK, pb.Datasource.UNSPECIFIED: None}, field="datasource")


def provisioning_from_wire(asked: pb.CloudInitConfig) -> Provisioning:
    return Provisioning(
        user_data=asked.user_data,
        meta_data=asked.meta_data,
        network_config=asked.network_config,
        vendor_data=asked.vendor_data,
        hostname=asked.hostname,
        default_user=asked.default_user,
        ssh_authorized_keys=tuple(asked.ssh_authorized_keys),
        packages=tuple(asked.packages),
        run_commands=tuple(asked.run_commands),
        users=tuple(map(_user, asked.users)),
        ssh_password_login=asked.ssh_password_login,
        system=_system(asked),
        allow_templates=asked.allow_templates,
        no_guest_agent=asked.no_guest_agent,
    )


def windows_from_wire(asked: pb.SysprepConfig) -> WindowsWish:
    return WindowsWish(
        unattend_xml=asked.unattend_xml,
        hostname=asked.hostname,
        administrator_password=Secret(asked.administrator_password),
        product_key=Secret(asked.product_key),
        domain=asked.domain,
        domain_user=asked.domain_user,
        domain_password=Secret(asked.domain_password),
        organizational_unit=asked.organizational_unit,
        locale=asked.locale,
        timezone=asked.timezone,
        first_logon_commands=tuple(asked.first_logon_commands),
    )


def _user(user: pb.GuestUser) -> UserWish:
    return UserWish(
        name=user.name,
        full_name=user.full_name,
        groups=tuple(user.groups),
        privilege=known(user.privilege, _PRIVILEGES, field="users.privilege"),
        sudo_rule=user.sudo_rule,
        shell=user.shell,
        ssh_authorized_keys=tuple(user.ssh_authorized_keys),
        ssh_import_ids=tuple(user.ssh_import_ids),
        password=Secret(user.password),
        password_hash=Secret(user.password_hash),
        must_change_password=user.must_change_password,
    )


def _system(asked: pb.CloudInitConfig) -> GuestSystem:
    keyboard = asked.keyboard or pb.Keyboard()
    proxy = asked.proxy or pb.GuestProxy()
    phone = asked.phone_home or pb.PhoneHome()
    return GuestSystem(
        locale=asked.locale,
        timezone=asked.timezone,
        keyboard=Keyboard(
            layout=keyboard.layout,
            model=keyboard.model,
            variant=keyboard.variant,
            options=keyboard.options,
        ),
        upgrade=asked.upgrade,
        repositories=tuple(map(_repository, asked.repositories)),
        files=tuple(map(_file, asked.files)),
        boot_commands=tuple(asked.boot_commands),
        growth=known(asked.growth, _GROWTHS, field="growth"),
        grow_devices=tuple(asked.grow_devices),
        mounts=tuple(map(_mount, asked.mounts)),
        swap_mib=asked.swap_mib,
        ntp_servers=tuple(asked.ntp_servers),
        ntp_pools=tuple(asked.ntp_pools),
        proxy=Proxy(http=proxy.http, https=proxy.https, no_proxy=tuple(proxy.no_proxy)),
        ca_certificates=tuple(asked.ca_certificates),
        phone_home=PhoneHome(url=phone.url, post=tuple(phone.post), tries=phone.tries),
        keep_etc_hosts=asked.keep_etc_hosts,
    )


def _repository(one: pb.PackageRepository) -> Repository:
    return Repository(
        id=one.id,
        url=one.url,
        name=one.name,
        suite=one.suite,
        components=tuple(one.components),
        key=one.key,
    )


def _file(file: pb.GuestFile) -> GuestFile:
    return GuestFile(
        path=file.path,
        text=file.text,
        data=file.data,
        owner=file.owner,
        permissions=file.permissions,
        append=file.append,
    )


def _mount(mount: pb.GuestMount) -> Mount:
    usual = Mount(source="", target="")
    return Mount(
        source=mount.source, target=mount.target, type=mount.type or usual.type, options=mount.options
    )
