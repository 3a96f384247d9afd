"""What goes wrong between a source and a verified file."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class UrlNotAllowed(LibraryError):
    """Only https, or http where a strong digest is known, is fetched."""

    code = "import.url_scheme"
    kind = Kind.INVALID
    remedy_default = "Use an https URL."


class AddressDenied(LibraryError):
    """The source's address is private, loopback, link-local or otherwise not for fetching from."""

    code = "import.address_denied"
    kind = Kind.DENIED
    remedy_default = "An operator can allow it with LIMIQUANTIX_ALLOW_SOURCES or serve it through a mirror."


class RedirectDenied(LibraryError):
    """The source redirected too often, to http, or to where it may not."""

    code = "import.redirect_denied"
    kind = Kind.DENIED
    remedy_default = "Use the final URL of the image, or a mirror."


class SourceUnreachable(LibraryError):
    """The source did not answer, not even after several tries."""

    code = "import.unreachable"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the network and the proxy; in a closed network set a mirror (docs/mirrors.md)."


class SourceTls(LibraryError):
    """The source's certificate or TLS version is not acceptable."""

    code = "import.tls"
    kind = Kind.UNAVAILABLE
    remedy_default = (
        "Check the machine's clock and authorities; an operator can name one for the source with source_ca."
    )


class SourceNotFound(LibraryError):
    """The source says that the file is not there."""

    code = "import.not_found"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the URL; a mirror must hold the file under HOST/PATH."


class SourceRefused(LibraryError):
    """The source answered with an error that a retry will not cure."""

    code = "import.refused"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the URL and whether the source needs credentials."


class SourceStalled(LibraryError):
    """The source sent too little for too long, again and again."""

    code = "import.stalled"
    kind = Kind.UNAVAILABLE
    remedy_default = "Start the download again later; it goes on from the bytes it has."


class BadLength(LibraryError):
    """The source's Content-Length or Content-Range contradicts itself or what it sent."""

    code = "import.bad_length"
    kind = Kind.UNAVAILABLE
    remedy_default = "Try again, or use another mirror."


class SizeExceeded(LibraryError):
    """The source sends more bytes than announced or allowed."""

    code = "import.size_exceeded"
    kind = Kind.EXHAUSTED
    remedy_default = "Check the URL; raise the limit if the image is really that large."


class DigestMismatch(LibraryError):
    """The bytes are not the ones that the publisher's checksum names; they were thrown away."""

    code = "verify.digest_mismatch"
    kind = Kind.DATA_LOSS
    remedy_default = "Try again; if it stays, the mirror or the checksum file is wrong: do not use the image."


class ChecksumMissing(LibraryError):
    """The checksum file has no row for exactly this file name."""

    code = "verify.checksum_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Nothing is published without a checksum; check the checksum file at the source."


class InvalidChecksumFile(LibraryError):
    """What should be a checksum file cannot be read as one."""

    code = "verify.checksum_file"
    kind = Kind.PRECONDITION
    remedy_default = "Check the checksum file at the source or mirror."


class InvalidDigest(LibraryError):
    """A digest that is not sha256 or sha512 in hexadecimal of the right length."""

    code = "verify.digest_invalid"
    kind = Kind.INVALID
    remedy_default = "Give sha256 (64 hexadecimal digits) or sha512 (128)."


class SignatureMissing(LibraryError):
    """The publisher's signature, which the catalog demands, is not there."""

    code = "verify.signature_missing"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Nothing of a signed publisher is taken without it; a mirror must hold the signature file too."
    )


class SignatureInvalid(LibraryError):
    """The signature is not one, or not by the key over these bytes."""

    code = "verify.signature_invalid"
    kind = Kind.DATA_LOSS
    remedy_default = "Try again; if it stays, the checksum file was changed on its way: do not use the image."


class SignatureKeyUnknown(LibraryError):
    """The signature is by a key that is not pinned for this publisher."""

    code = "verify.signature_key_unknown"
    kind = Kind.PRECONDITION
    remedy_default = "If the publisher has a new key, get it on a safe way and pin it (docs/trust.md)."


class SignatureExpired(LibraryError):
    """The signature or the publisher's key has expired, or the key was revoked."""

    code = "verify.signature_expired"
    kind = Kind.PRECONDITION
    remedy_default = "Pin the publisher's newer key in the catalog (docs/trust.md)."


class CatalogUnsigned(LibraryError):
    """A catalog that is to be refreshed from a signed file is not signed by a key of catalog_keys."""

    code = "catalog.signature_invalid"
    kind = Kind.DATA_LOSS
    remedy_default = "The catalog in use stays. Check the file, its .sig and catalog_keys (docs/trust.md)."


class CatalogRollback(LibraryError):
    """A signed catalog is older than the one in use, or another one with the same version."""

    code = "catalog.rollback"
    kind = Kind.PRECONDITION
    remedy_default = (
        "The catalog in use stays. A mirror that fell behind looks like this, and so does an attack."
    )


class CatalogStale(LibraryError):
    """A signed catalog has expired: somebody may be keeping newer ones away."""

    code = "catalog.stale"
    kind = Kind.PRECONDITION
    remedy_default = "The catalog in use stays. Ask whoever signs the catalog for a newer one."


class IndexUnreadable(LibraryError):
    """A publisher's index of builds is not what it should be, or leads away from the publisher."""

    code = "catalog.index_unreadable"
    kind = Kind.PRECONDITION
    remedy_default = "Nothing depends on it but version names and newer builds; look at the index at its URL."
