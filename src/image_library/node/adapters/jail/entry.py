"""The last steps before a program runs: limits, no new privileges, Landlock, no sockets; then exec.

Imported and called by what ``jail.py`` starts, in isolated mode and without "site": it must stay importable
alone, and fast. Arguments: name=value pairs, "--", the program and its arguments.
Sources: landlock(7), seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
import struct

FAILED = 97
# Its first words on standard error when it could not shut the program in.
COMPLAINT = "jail: "

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 1, 38, 22, 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
# The first ABI knows 13 rights; each of these brought one more, or more than one kind.
_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_SINCE, _SCOPES_SINCE = 4, 6
# AUDIT_ARCH_* and the numbers that differ from machine to machine; io_uring_setup and clone3 have one.
_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {"socket": 41, "setsid": 112, "setpgid": 109, "clone": 56, "fork": 57, "vfork": 58},
    ),
    "aarch64": (0xC00000B7, {"socket": 198, "setsid": 157, "setpgid": 154, "clone": 220}),
    "riscv64": (0xC00000F3, {"socket": 198, "setsid": 157, "setpgid": 154, "clone": 220}),
}
_SIGKILL = 9  # The module "signal" takes longer to import than all else here.
_IO_URING_SETUP, _CLONE3, _X32 = 425, 435, 0x40000000
_LIMITS = {
    "cpu": resource.RLIMIT_CPU,
    "memory": resource.RLIMIT_AS,
    "file": resource.RLIMIT_FSIZE,
    "descriptors": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
}


def landlock_abi() -> int:
    """Which ABI of Landlock the kernel has; 0: none, or it is switched off."""
    return max(0, _LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION))


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _control(option: int, value: int, pointer: int = 0) -> None:
    words = [ctypes.c_ulong(word) for word in (value, pointer, 0, 0)]
    _checked(_LIBC.prctl(option, *words), f"prctl {option}")


def restrict_files(*, executable: list[str], readable: list[int], writable: list[int]) -> None:
    """Nothing but these places (with all below them) and these open files can be opened from now on."""
    abi = landlock_abi()
    rights = (1 << _RIGHTS_OF_ABI.get(abi, 16)) - 1
    tcp, scopes = (3 if abi >= _TCP_SINCE else 0), (3 if abi >= _SCOPES_SINCE else 0)
    attributes = struct.pack("=QQQ", rights, tcp, scopes)[: 24 if scopes else 16 if tcp else 8]
    ruleset = _checked(
        _LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock"
    )
    for place in executable:
        try:
            descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        mode = os.fstat(descriptor).st_mode
        more = _READ_DIR if stat.S_ISDIR(mode) else _WRITE_FILE if stat.S_ISCHR(mode) else 0
        _allow(ruleset, descriptor, _EXECUTE | _READ_FILE | more)
        os.close(descriptor)
    for descriptor in readable:
        _allow(ruleset, descriptor, _READ_FILE)
    for descriptor in writable:
        _allow(ruleset, descriptor, _READ_FILE | _WRITE_FILE | (_TRUNCATE & rights))
    _checked(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


def _allow(ruleset: int, descriptor: int, access: int) -> None:
    rule = struct.pack("=Qi", access, descriptor)
    _checked(_LIBC.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), "landlock")


def deny_calls(*, alone: bool) -> None:
    """No socket of any kind and no leaving of the process group; with ``alone``, no second process or thread.

    Landlock knows TCP only, and no limit holds for root. Nothing is denied on an unknown kind of machine.
    """
    architecture, numbers = _ARCHITECTURES.get(os.uname().machine, (0, {}))
    if not architecture:
        return
    denied = [numbers["socket"], numbers["setsid"], numbers["setpgid"], _IO_URING_SETUP]
    if alone:
        denied += [numbers[name] for name in ("clone", "fork", "vfork") if name in numbers] + [_CLONE3]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x80000000
    left = len(denied)
    program = [
        (load, 0, 0, 4),
        (equal, 0, left + 3, architecture),
        (load, 0, 0, 0),
        (at_least, left + 1, 0, _X32),
        *((equal, left - index + 1, 0, number) for index, number in enumerate(denied)),
        (give, 0, 0, allow),
        (give, 0, 0, kill),
        (give, 0, 0, refuse),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _control(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_))


def limit(limits: dict[str, int]) -> None:
    for name, most in limits.items():
        # The second number lets a program be told before it is killed; ours need no telling.
        _, hard = resource.getrlimit(_LIMITS[name])
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(_LIMITS[name], (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def shut_in(pairs: list[tuple[str, str]]) -> None:
    _control(_PR_SET_PDEATHSIG, _SIGKILL)
    settings = dict(pairs)
    if os.getppid() != int(settings["parent"]):
        raise OSError("whoever started this is gone")
    _control(_PR_SET_NO_NEW_PRIVS, 1)
    if settings["wall"] == "landlock":
        restrict_files(
            executable=[value for name, value in pairs if name == "place"],
            readable=[int(value) for name, value in pairs if name == "readable"],
            writable=[int(value) for name, value in pairs if name == "writable"],
        )
        deny_calls(alone=settings.get("processes") == "0")
    limit({name: int(value) for name, value in pairs if name in _LIMITS})


def main(arguments: list[str]) -> None:
    end = arguments.index("--")
    pairs = [(name, value) for name, _, value in (word.partition("=") for word in arguments[:end])]
    program = arguments[end + 1 :]
    try:
        os.chdir("/")
        shut_in(pairs)
        os.execve(program[0], program, {"LC_ALL": "C"})  # noqa: S606
    except (OSError, ValueError) as error:
        os.write(2, f"{COMPLAINT}{error}\n".encode())
        os._exit(FAILED)
