"""The lines of cloud-init's log that belong to a module that failed."""

from __future__ import annotations

from image_library.domain.guest_log import lines_of, without_time
from image_library.domain.guest_report import MOST_FAILURES, MOST_LINES, ModuleFailure, with_lines

AT = "2026-01-01 10:00:00,123 - "
LOG = f"""{AT}handlers.py[DEBUG]: start: modules-config/config-ntp: running config-ntp with frequency once
{AT}cc_ntp.py[DEBUG]: Skipping
{AT}handlers.py[DEBUG]: finish: modules-config/config-ntp: SUCCESS: config-ntp ran successfully
{AT}handlers.py[DEBUG]: start: modules-final/config-scripts_user: running config-scripts_user
{AT}subp.py[DEBUG]: Running command ['/var/lib/cloud/instance/scripts/runcmd']
{AT}subp.py[WARNING]: Failed running /var/lib/cloud/instance/scripts/runcmd [3]
{AT}subp.py[DEBUG]: Failed running /var/lib/cloud/instance/scripts/runcmd [3]
Traceback (most recent call last):
  File "subp.py", line 1, in x
cloudinit.subp.ProcessExecutionError: Unexpected error while running command.
Exit code: 3
{AT}cc_scripts_user.py[WARNING]: Failed to run module scripts_user (scripts in /var/lib/cloud/instance)
{AT}handlers.py[DEBUG]: finish: modules-final/config-scripts_user: FAIL: running config-scripts_user
{AT}util.py[WARNING]: Running module scripts_user (<module 'x' from '/x.py'>) failed
{AT}handlers.py[DEBUG]: start: modules-final/config-phone_home: running config-phone_home
{AT}util.py[WARNING]: /etc/ssh/ssh_host_dsa_key.pub: failed to open, can not phone home that data!
"""


def test_only_the_failed_modules_warnings_errors_and_tracebacks_are_taken() -> None:
    (failure,) = lines_of(LOG, ["scripts-user"])
    assert failure == ModuleFailure(
        module="scripts-user",
        lines=(
            "subp.py[WARNING]: Failed running /var/lib/cloud/instance/scripts/runcmd [3]",
            "subp.py[DEBUG]: Failed running /var/lib/cloud/instance/scripts/runcmd [3]",
            "Traceback (most recent call last):",
            '  File "subp.py", line 1, in x',
            "cloudinit.subp.ProcessExecutionError: Unexpected error while running command.",
            "Exit code: 3",
            "cc_scripts_user.py[WARNING]: Failed to run module scripts_user "
            "(scripts in /var/lib/cloud/instance)",
            "util.py[WARNING]: Running module scripts_user (<module 'x' from '/x.py'>) failed",
        ),
    )


def test_a_module_is_found_by_either_spelling_and_one_that_said_nothing_is_left_out() -> None:
    assert [failure.module for failure in lines_of(LOG, ["scripts_user", "ntp", "apt"])] == ["scripts-user"]


def test_any_text_is_a_log() -> None:
    assert lines_of("", ["ntp"]) == ()
    assert lines_of("\0\xff no log at all\n" * 100, ["ntp"]) == ()


def test_a_lines_moment_does_not_make_it_another_line() -> None:
    assert without_time(f"{AT}cc_ntp.py[ERROR]: no") == "cc_ntp.py[ERROR]: no"
    assert without_time("no") == "no"


def test_lines_are_bounded_kept_once_and_cannot_move_a_cursor() -> None:
    noisy = with_lines((), "a", [f"line {n}\x1b[2J" for n in range(500)])
    assert len(noisy[0].lines) == MOST_LINES
    assert noisy[0].lines[0] == "line 0\\u001b[2J"
    assert with_lines(noisy, "a", ["line 0\x1b[2J", "more"]) == noisy
    assert len(with_lines((), "a", ["x" * 5000])[0].lines[0]) == 300
    many: tuple[ModuleFailure, ...] = ()
    for number in range(100):
        many = with_lines(many, f"m{number}", ["x"])
    assert len(many) == MOST_FAILURES


def test_the_doors_token_is_in_no_line() -> None:
    said = "Failed to post phone home data to http://10.0.2.100/s3cret-t0ken in 3 tries"
    (failure,) = with_lines((), "phone-home", [said])
    assert failure.lines == ("Failed to post phone home data to http://10.0.2.100/(hidden) in 3 tries",)
