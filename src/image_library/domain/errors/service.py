"""Who may call, and who does not answer."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class Unauthenticated(LibraryError):
    """The request carries no token, or one that is not known."""

    code = "auth.missing"
    kind = Kind.UNAUTHENTICATED
    remedy_default = "Send 'Authorization: Bearer TOKEN'; the token is in <data-dir>/token."


class PermissionDenied(LibraryError):
    """The token is known but may not call this."""

    code = "auth.denied"
    kind = Kind.DENIED
    remedy_default = "Use the operator's token."


class HostDenied(LibraryError):
    """The Host header names a host that this server does not answer for."""

    code = "auth.host"
    kind = Kind.DENIED
    remedy_default = "Add the name to allowed_hosts (docs/settings.md)."


class OriginDenied(LibraryError):
    """A web page of another site tried to call the server through somebody's browser."""

    code = "auth.origin"
    kind = Kind.DENIED
    remedy_default = "Call the server from its own pages, the command line or a program."


class NodeUnreachable(LibraryError):
    """The node does not answer; what it was doing goes on there."""

    code = "node.unreachable"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check that 'limiquantix node' runs there; it comes back by itself."


class NoNodeReady(LibraryError):
    """No node is ready to take the work."""

    code = "node.none_ready"
    kind = Kind.UNAVAILABLE
    remedy_default = "Start one: 'limiquantix node --control-plane URL'."


class NodeDuplicate(LibraryError):
    """Another running node already uses this identity."""

    code = "node.duplicate"
    kind = Kind.EXISTS
    remedy_default = "A copied data directory needs its own identity: remove 'store-id' in the copy."


class ServerUnreachable(LibraryError):
    """The control plane does not answer."""

    code = "server.unreachable"
    kind = Kind.UNAVAILABLE
    remedy_default = "Start it: 'limiquantix up'."


class PortTaken(LibraryError):
    """Another program listens on the wanted address."""

    code = "server.port_taken"
    kind = Kind.PRECONDITION
    remedy_default = "Choose another with --listen HOST:PORT; port 0 picks a free one."


class ListenDenied(LibraryError):
    """This address may not be served this way."""

    code = "server.listen_denied"
    kind = Kind.INVALID
    remedy_default = "Serve on 127.0.0.1, or give --tls-cert and --tls-key."


class SchemaTooNew(LibraryError):
    """The database was written by a newer limiquantix."""

    code = "server.schema_too_new"
    kind = Kind.PRECONDITION
    remedy_default = "Install the newer version again."


class DatabaseUnavailable(LibraryError):
    """The control plane's database does not answer; what was cut off may have been done or not."""

    code = "server.database_unavailable"
    kind = Kind.UNAVAILABLE
    remedy_default = (
        "Try again; if it stays, check that the database runs and is reachable (docs/postgresql.md)."
    )


class DatabaseBusy(LibraryError):
    """Another control plane works with this database."""

    code = "server.database_busy"
    kind = Kind.PRECONDITION
    remedy_default = "Stop the other one, or give this one a database of its own."


class NotImplementedYet(LibraryError):
    """An RPC of the contract that this version does not answer."""

    code = "rpc.unimplemented"
    kind = Kind.UNIMPLEMENTED
    remedy_default = "A later version will have it."
