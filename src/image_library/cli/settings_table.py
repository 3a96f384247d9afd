"""Every setting of ``up``, ``controlplane`` and ``node``, one row each; docs/settings.md is made of them."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_LISTEN = "127.0.0.1:8006"
EVERY_PROGRAM = ("up", "controlplane", "node")
SERVERS = ("up", "controlplane")
WITH_NODE = ("up", "node")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table. ``kind`` is text, list, flag, path, size, number, or the words it may be, with |.

    A number needs no more than its row and a field of the same name in the program's own Settings; an
    empty option means that it has none.
    """

    name: str
    kind: str
    option: str = ""
    variable: str
    default: str
    meaning: str
    programs: tuple[str, ...] = EVERY_PROGRAM


TABLE: tuple[Setting, ...] = (
    Setting(
        name="listen",
        kind="text",
        option="--listen HOST:PORT",
        variable="LIMIQUANTIX_LISTEN",
        default=f"`{DEFAULT_LISTEN}`; a node apart: `127.0.0.1:0`",
        meaning="Where to listen; port 0 picks a free one. Anything but loopback needs TLS.",
    ),
    Setting(
        name="advertise",
        kind="text",
        option="--advertise HOST:PORT",
        variable="LIMIQUANTIX_ADVERTISE",
        default="what it listens on",
        meaning="Where the control plane reaches this node.",
        programs=("node",),
    ),
    Setting(
        name="allowed_hosts",
        kind="list",
        option="--allowed-host NAME",
        variable="LIMIQUANTIX_ALLOWED_HOSTS",
        default="loopback names and the listening address",
        meaning="Further values of the Host header that are answered; others may be DNS rebinding.",
        programs=SERVERS,
    ),
    Setting(
        name="auth",
        kind="flag",
        option="--no-auth",
        variable="LIMIQUANTIX_AUTH",
        default="`true`",
        meaning="Whether calls need the token. `false` works on loopback only, and warns.",
        programs=SERVERS,
    ),
    Setting(
        name="tls_cert",
        kind="path",
        option="--tls-cert FILE",
        variable="LIMIQUANTIX_TLS_CERT",
        default="none",
        meaning="Certificate chain in PEM form.",
    ),
    Setting(
        name="tls_key",
        kind="path",
        option="--tls-key FILE",
        variable="LIMIQUANTIX_TLS_KEY",
        default="none",
        meaning="The certificate's private key in PEM form.",
    ),
    Setting(
        name="tls_ca",
        kind="path",
        option="--tls-ca FILE",
        variable="LIMIQUANTIX_TLS_CA",
        default="the machine's authorities",
        meaning="Authorities that the other program's certificate is checked against.",
    ),
    Setting(
        name="catalog",
        kind="path",
        option="--catalog FILE",
        variable="LIMIQUANTIX_CATALOG",
        default="none",
        meaning="Entries to add to the catalog or to replace in it (docs/catalog.md).",
        programs=SERVERS,
    ),
    Setting(
        name="catalog_keys",
        kind="list",
        variable="LIMIQUANTIX_CATALOG_KEYS",
        default="none",
        meaning="Keys, `ed25519:BASE64`, of which one must have signed a newer catalog (docs/trust.md).",
        programs=SERVERS,
    ),
    Setting(
        name="catalog_url",
        kind="text",
        variable="LIMIQUANTIX_CATALOG_URL",
        default="none",
        meaning="Where newer catalogs are; their signature is at the same URL with `.sig` behind it.",
        programs=SERVERS,
    ),
    Setting(
        name="catalog_refresh_hours",
        kind="number",
        variable="LIMIQUANTIX_CATALOG_REFRESH_HOURS",
        default="`24`",
        meaning="How often a newer catalog is looked for at catalog_url; 0: never.",
        programs=SERVERS,
    ),
    Setting(
        name="database_url",
        kind="text",
        option="--database-url URL",
        variable="LIMIQUANTIX_DATABASE_URL",
        default="SQLite in the data directory",
        meaning="`sqlite:///PATH` or `postgresql://…` (docs/postgresql.md; no password in an option).",
        programs=SERVERS,
    ),
    Setting(
        name="control_plane",
        kind="text",
        option="--control-plane URL",
        variable="LIMIQUANTIX_CONTROL_PLANE",
        default="none; required",
        meaning="The control plane that the node belongs to.",
        programs=("node",),
    ),
    Setting(
        name="join_token_file",
        kind="path",
        option="--join-token-file FILE",
        variable="LIMIQUANTIX_JOIN_TOKEN_FILE",
        default="`<data-dir>/join-token`",
        meaning="The token that control plane and nodes share; the control plane makes it.",
    ),
    Setting(
        name="mirror",
        kind="list",
        option="--mirror URL",
        variable="LIMIQUANTIX_MIRROR",
        default="none",
        meaning="Fetch `https://HOST/PATH` from `URL/HOST/PATH` instead, checksum files too; `PLACE=URL` for "
        "one publisher. Several are tried in order (docs/mirrors.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="image_mirrors",
        kind="list",
        option="--image-mirror URL",
        variable="LIMIQUANTIX_IMAGE_MIRRORS",
        default="none",
        meaning="Mirrors that are tried before the publisher, for bytes whose digest it states; believed in "
        "nothing else (docs/mirrors.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="allow_sources",
        kind="list",
        option="--allow-source HOST",
        variable="LIMIQUANTIX_ALLOW_SOURCES",
        default="none",
        meaning="Hosts and CIDRs that may be fetched from although their addresses are private or loopback.",
        programs=WITH_NODE,
    ),
    Setting(
        name="deny_sources",
        kind="list",
        option="--deny-source HOST",
        variable="LIMIQUANTIX_DENY_SOURCES",
        default="none",
        meaning="Hosts (with all below them) and CIDRs that nothing is fetched from, whatever else is set; "
        "`*`: all that `allow_sources` does not name.",
        programs=WITH_NODE,
    ),
    Setting(
        name="source_ca",
        kind="list",
        variable="LIMIQUANTIX_SOURCE_CA",
        default="none",
        meaning="`HOST=FILE` or `HOST/PATH=FILE`: the only authorities (PEM, with revocation lists if any) "
        "that a source's certificate is judged by (docs/mirrors.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="source_credentials",
        kind="list",
        variable="LIMIQUANTIX_SOURCE_CREDENTIALS",
        default="none",
        meaning="`HOST=FILE` or `HOST/PATH=FILE`: a 0600 file with `USER:PASSWORD` or `Bearer TOKEN`, shown "
        "to that place only, and only over https.",
        programs=WITH_NODE,
    ),
    Setting(
        name="connections_per_host",
        kind="number",
        variable="LIMIQUANTIX_CONNECTIONS_PER_HOST",
        default="`4`",
        meaning="How many connections a node has to one host at once for images; 0: any number.",
        programs=WITH_NODE,
    ),
    Setting(
        name="download_connections",
        kind="number",
        variable="LIMIQUANTIX_DOWNLOAD_CONNECTIONS",
        default="`4`",
        meaning="Over how many connections a node reads one image where more of them are faster, 1 to 16; "
        "1: never several (docs/downloads.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="download_mib_per_second",
        kind="number",
        variable="LIMIQUANTIX_DOWNLOAD_MIB_PER_SECOND",
        default="`0`: no limit",
        meaning="How fast a node fetches altogether, in MiB a second, shared fairly by its downloads and "
        "copies.",
        programs=WITH_NODE,
    ),
    Setting(
        name="max_virtual_size",
        kind="size",
        option="--max-virtual-size SIZE",
        variable="LIMIQUANTIX_MAX_VIRTUAL_SIZE",
        default="`2T`",
        meaning="Images that claim a larger disk than this are refused.",
        programs=WITH_NODE,
    ),
    Setting(
        name="max_upload_gib",
        kind="number",
        variable="LIMIQUANTIX_MAX_UPLOAD_GIB",
        default="`2048`",
        meaning="The largest upload that is taken, in GiB; 0: any.",
        programs=SERVERS,
    ),
    Setting(
        name="project_quota_gib",
        kind="number",
        variable="LIMIQUANTIX_PROJECT_QUOTA_GIB",
        default="`0`: no limit",
        meaning="What the images and uploads of one project may take together, in GiB.",
        programs=SERVERS,
    ),
    Setting(
        name="upload_expiry_hours",
        kind="number",
        variable="LIMIQUANTIX_UPLOAD_EXPIRY_HOURS",
        default="`24`",
        meaning="How long an upload to which nothing comes is kept.",
        programs=SERVERS,
    ),
    Setting(
        name="hostname",
        kind="text",
        variable="LIMIQUANTIX_HOSTNAME",
        default="the machine's own",
        meaning="What the node is called.",
        programs=WITH_NODE,
    ),
    Setting(
        name="accel",
        kind="auto|kvm|tcg",
        option="--accel auto|kvm|tcg",
        variable="LIMIQUANTIX_ACCEL",
        default="`auto`",
        meaning="How QEMU runs guests; `auto` takes KVM where it really works.",
        programs=WITH_NODE,
    ),
    Setting(
        name="hypervisor",
        kind="qemu|libvirt",
        variable="LIMIQUANTIX_HYPERVISOR",
        default="`qemu`",
        meaning="Who runs VMs: QEMU started by the node itself, or libvirt (docs/machines.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="libvirt_uri",
        kind="text",
        variable="LIMIQUANTIX_LIBVIRT_URI",
        default="`qemu:///system`",
        meaning="libvirt's daemon on this host; `qemu:///session` is the user's own.",
        programs=WITH_NODE,
    ),
    Setting(
        name="bridges",
        kind="list",
        variable="LIMIQUANTIX_BRIDGES",
        default="none",
        meaning="Bridges of the node that VMs' network cards may be on (docs/machines.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="allow_unjailed",
        kind="flag",
        variable="LIMIQUANTIX_ALLOW_UNJAILED",
        default="`false`",
        meaning="Start programs that read foreign images also where neither Landlock nor bubblewrap can shut "
        "them in (docs/conversion.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="scrub_rate",
        kind="number",
        variable="LIMIQUANTIX_SCRUB_RATE",
        default="`20`",
        meaning="How fast a node reads its images again to find damage, in MiB a second; `0`: never "
        "(docs/scrub.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="scrub_interval",
        kind="number",
        variable="LIMIQUANTIX_SCRUB_INTERVAL",
        default="`7`",
        meaning="How often each image is read again, in days; `0`: never.",
        programs=WITH_NODE,
    ),
    Setting(
        name="heartbeat_seconds",
        kind="number",
        variable="LIMIQUANTIX_HEARTBEAT_SECONDS",
        default="`10`",
        meaning="How often nodes are to say that they are there; after three beats missed they are OFFLINE.",
        programs=SERVERS,
    ),
    Setting(
        name="gc_interval_hours",
        kind="number",
        variable="LIMIQUANTIX_GC_INTERVAL_HOURS",
        default="`24`",
        meaning="How often what nothing needs is removed unasked (docs/lifecycle.md); 0: never.",
        programs=SERVERS,
    ),
    Setting(
        name="refresh",
        kind="off|check|fetch",
        variable="LIMIQUANTIX_REFRESH",
        default="`check`",
        meaning="Whether publishers are asked for newer builds of what is here: never, to tell of them only, "
        "or to fetch them (docs/refresh.md).",
        programs=SERVERS,
    ),
    Setting(
        name="refresh_hours",
        kind="number",
        variable="LIMIQUANTIX_REFRESH_HOURS",
        default="`24`",
        meaning="How long a publisher is not asked again.",
        programs=SERVERS,
    ),
    Setting(
        name="keep_versions",
        kind="number",
        variable="LIMIQUANTIX_KEEP_VERSIONS",
        default="`3`",
        meaning="How many versions of a catalog image stay when it is refreshed; those that VMs use and "
        "protected ones do not count.",
        programs=SERVERS,
    ),
    Setting(
        name="min_trust",
        kind="list",
        variable="LIMIQUANTIX_MIN_TRUST",
        default="`unverified`",
        meaning="How far images must be proved that VMs are made from: `signed`, `pinned`, `checksum` or "
        "`unverified`, and `PROJECT=LEVEL` for single projects (docs/trust.md).",
        programs=SERVERS,
    ),
    Setting(
        name="job_patience_hours",
        kind="number",
        variable="LIMIQUANTIX_JOB_PATIENCE_HOURS",
        default="`24`",
        meaning="A job whose node stays away for longer fails; it can be tried again (docs/jobs.md).",
        programs=SERVERS,
    ),
    Setting(
        name="job_history_days",
        kind="number",
        variable="LIMIQUANTIX_JOB_HISTORY_DAYS",
        default="`30`",
        meaning="Jobs that ended longer ago are forgotten; never more than 10,000 ended jobs are kept.",
        programs=SERVERS,
    ),
    Setting(
        name="log_format",
        kind="console|json",
        option="--log-format console|json",
        variable="LIMIQUANTIX_LOG_FORMAT",
        default="`console`",
        meaning="Logs on stderr for people, or one JSON document a line.",
    ),
)
