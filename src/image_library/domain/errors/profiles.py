"""What provisioning profiles and their parameters can be refused for."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


class UnknownProfile(LibraryError):
    """There is no such profile."""

    code = "profile.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See what there is: 'limiquantix profiles list'."


class InvalidProfile(LibraryError):
    """A profile cannot be used as it is written."""

    code = "profile.invalid"
    kind = Kind.INVALID
    remedy_default = "docs/profiles.md says what a profile holds."


class UnknownParameter(LibraryError):
    """A value is given for a parameter that the profile does not declare."""

    code = "profile.parameter_unknown"
    kind = Kind.INVALID
    remedy_default = "See what it takes: 'limiquantix profiles show NAME'."


class MissingParameter(LibraryError):
    """A parameter that the profile requires has no value."""

    code = "profile.parameter_missing"
    kind = Kind.INVALID
    remedy_default = "Give it: --param NAME=VALUE, or --secret-param NAME=FILE for a secret."


class InvalidParameter(LibraryError):
    """A parameter's value is none that the profile takes."""

    code = "profile.parameter_invalid"
    kind = Kind.INVALID
    remedy_default = "See what it takes: 'limiquantix profiles show NAME'."


class UserDataDenied(LibraryError):
    """The profile lets no VM bring user-data of its own."""

    code = "profile.user_data_denied"
    kind = Kind.PRECONDITION
    remedy_default = "Leave the user-data out, or use a profile that takes it."
