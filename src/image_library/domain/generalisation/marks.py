"""The table of what a guest keeps of itself. A new thing to look for is a row, never a branch.

Sources: systemd's machine-id(5) and "Safely Building Images"; cloud-init's ``clean``; virt-sysprep(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.preflight import Severity


class Action(Enum):
    """What cleaning does with it."""

    REMOVE = "remove"
    # Owner, mode and labels stay, as whoever writes to it later may not be allowed to make it.
    EMPTY = "empty"
    KEEP = "keep"


@dataclass(frozen=True, kw_only=True)
class Mark:
    # Stable.
    code: str
    # What it is, as it stands in a sentence: "It holds ...".
    meaning: str
    # Absolute; "*" and "?" stand for letters of one name, a last part "**" for all that is below.
    paths: tuple[str, ...]
    action: Action
    severity: Severity
    # What to do where cleaning does nothing.
    fix: str = ""
    # What a line of the file's beginning must match to count; empty: any. Python and grep's extended regular
    # expressions (POSIX) must read it alike: the guest's own shell looks by it too.
    holds: str = ""


# ``holds`` of a file that has any bytes at all.
ANYTHING = "."
_SOMETHING = "[!-~]"
_HOMES = ("/root", "/home/*")


def _at_home(*names: str) -> tuple[str, ...]:
    return tuple(f"{home}/{name}" for home in _HOMES for name in names)


_RED, _AMBER, _GREEN = Severity.RED, Severity.AMBER, Severity.GREEN
_REMOVE, _EMPTY, _KEEP = Action.REMOVE, Action.EMPTY, Action.KEEP

MARKS: tuple[Mark, ...] = (
    # Empty, systemd makes a new one at the next start.
    Mark(
        code="machine-id",
        meaning="its machine id",
        paths=("/etc/machine-id",),
        holds="^[0-9A-Za-tv-z]",
        action=_EMPTY,
        severity=_RED,
    ),
    Mark(
        code="machine-id-copy",
        meaning="a copy of its machine id",
        paths=("/var/lib/dbus/machine-id",),
        holds=_SOMETHING,
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="ssh-host-keys",
        meaning="its SSH host keys",
        paths=("/etc/ssh/ssh_host_*_key*", "/etc/dropbear/dropbear_*_host_key"),
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="cloud-init-state",
        meaning="what cloud-init did at its first boot, with the user-data it was given",
        paths=(
            "/var/lib/cloud/instance",
            "/var/lib/cloud/instances/**",
            "/var/lib/cloud/data/**",
            "/var/lib/cloud/sem/**",
            "/var/lib/cloud/handlers/**",
            "/var/lib/cloud/scripts/**",
        ),
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="cloud-init-seed",
        meaning="a seed that every VM of the template would read",
        paths=("/var/lib/cloud/seed/**",),
        action=_KEEP,
        severity=_AMBER,
        fix="Look whether that is meant; 'cloud-init clean --seed' in the guest removes it.",
    ),
    Mark(
        code="authorised-keys",
        meaning="SSH keys that may log in",
        paths=_at_home(".ssh/authorized_keys*"),
        holds='^[ \t]*[!-"$-~]',
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="private-keys",
        meaning="private keys of its users",
        paths=_at_home(".ssh/id_*", ".gnupg/private-keys-v1.d/*"),
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="cloud-credentials",
        meaning="credentials of its users",
        paths=_at_home(
            ".aws/credentials",
            ".azure/**",
            ".config/gcloud/**",
            ".config/gh/hosts.yml",
            ".docker/config.json",
            ".git-credentials",
            ".kube/config",
            ".netrc",
            ".pypirc",
            ".vault-token",
        ),
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="agent-tokens",
        meaning="keys and tokens by which services know this machine",
        paths=(
            "/etc/chef/client.pem",
            "/etc/krb5.keytab",
            "/etc/pki/consumer/*.pem",
            "/etc/pki/entitlement/*.pem",
            "/etc/puppetlabs/puppet/ssl/**",
            "/etc/salt/pki/minion/*",
            "/var/lib/amazon/ssm/**",
            "/var/lib/kubelet/pki/*",
            "/var/lib/systemd/credential.secret",
            "/var/lib/tailscale/tailscaled.state",
            "/var/lib/ubuntu-advantage/private/*",
            "/var/lib/waagent/**",
        ),
        action=_REMOVE,
        severity=_RED,
    ),
    Mark(
        code="random-seed",
        meaning="its random seed",
        paths=("/var/lib/systemd/random-seed", "/var/lib/random-seed", "/var/lib/urandom/random-seed"),
        action=_REMOVE,
        severity=_AMBER,
    ),
    Mark(
        code="network-names",
        meaning="rules that name network cards by this machine's addresses",
        paths=("/etc/udev/rules.d/70-persistent-net.rules", "/etc/udev/rules.d/75-cloud-ifupdown.rules"),
        holds="([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}",
        action=_REMOVE,
        severity=_AMBER,
    ),
    # cloud-init writes them again for each new instance; they hold this machine's addresses.
    Mark(
        code="network-config",
        meaning="the network settings that cloud-init wrote for it",
        paths=(
            "/etc/netplan/50-cloud-init.yaml",
            "/etc/network/interfaces.d/50-cloud-init*",
            "/etc/systemd/network/10-cloud-init-*.network",
            "/etc/NetworkManager/system-connections/cloud-init-*.nmconnection",
            "/etc/sysconfig/network-scripts/ifcfg-*",
        ),
        holds=r"cloud-init|^\[Match\]",
        action=_REMOVE,
        severity=_AMBER,
    ),
    Mark(
        code="dhcp-leases",
        meaning="its DHCP leases and identifiers",
        paths=(
            "/etc/dhcpcd.duid",
            "/var/lib/dhclient/*",
            "/var/lib/dhcp/*",
            "/var/lib/dhcpcd/*",
            "/var/lib/NetworkManager/*.lease",
            "/var/lib/NetworkManager/secret_key",
            "/var/lib/systemd/network/*",
        ),
        action=_REMOVE,
        severity=_AMBER,
    ),
    Mark(
        code="histories",
        meaning="histories of its users",
        paths=_at_home(
            ".ash_history",
            ".bash_history",
            ".lesshst",
            ".mysql_history",
            ".psql_history",
            ".python_history",
            ".sqlite_history",
            ".ssh/known_hosts*",
            ".viminfo",
            ".zsh_history",
        ),
        action=_REMOVE,
        severity=_AMBER,
    ),
    # Its folder bears the machine's id.
    Mark(
        code="journal",
        meaning="its journal",
        paths=("/var/log/journal/**",),
        action=_REMOVE,
        severity=_AMBER,
    ),
    Mark(
        code="logs",
        meaning="its logs",
        paths=("/var/log/**",),
        holds=ANYTHING,
        action=_EMPTY,
        severity=_AMBER,
    ),
    Mark(
        code="leftovers",
        meaning="temporary files, crash reports and mail",
        paths=("/tmp/**", "/var/tmp/**", "/var/crash/**", "/var/mail/*", "/var/spool/mail/*"),  # noqa: S108
        action=_REMOVE,
        severity=_AMBER,
    ),
    Mark(
        code="passwords",
        meaning="accounts with a password, which every VM of the template would have",
        paths=("/etc/shadow",),
        holds=r"^[^:\n]+:[$_][^:\n]",
        action=_KEEP,
        severity=_AMBER,
        fix="Lock them in the guest with 'passwd -l NAME' where that is not meant.",
    ),
    Mark(
        code="storage-names",
        meaning="the name by which storage servers know it",
        paths=("/etc/iscsi/initiatorname.iscsi", "/etc/nvme/hostid", "/etc/nvme/hostnqn"),
        holds=r"^\s*(InitiatorName=|[0-9a-f]|nqn)",
        action=_KEEP,
        severity=_AMBER,
        fix="Give each VM its own by its user-data.",
    ),
    Mark(
        code="hostname",
        meaning="its host name, in whose place cloud-init puts each VM's own",
        paths=("/etc/hostname",),
        holds=_SOMETHING,
        action=_KEEP,
        severity=_GREEN,
    ),
)
