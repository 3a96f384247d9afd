from pathlib import Path

import pytest

from image_library.domain.boot_progress import MAX_ADDRESSES, MAX_ERRORS, AgentFacts, BootProgress, routable
from image_library.domain.guest_report import ModuleFailure
from image_library.domain.vm import BootStage, CloudInitStatus, VmReport

CONSOLES = Path(__file__).parents[2] / "data/consoles"
BOOTED = BootProgress(started=True)


def heard(*lines: str, seen: BootProgress = BOOTED) -> BootProgress:
    for line in lines:
        seen = seen.console_said(line)
    return seen


def stages_of(text: str) -> list[BootStage]:
    seen, stages = BOOTED, [BOOTED.stage]
    for line in text.splitlines():
        seen = seen.console_said(line)
        if seen.stage is not stages[-1]:
            stages.append(seen.stage)
    return stages


def test_nothing_seen_is_only_a_disk() -> None:
    assert BootProgress().stage is BootStage.DISK


def test_a_recorded_boot_goes_through_its_stages_in_order() -> None:
    text = (CONSOLES / "debian-12.txt").read_text()
    assert stages_of(text) == [BootStage.BOOT, BootStage.NETWORK, BootStage.CLOUD_INIT]


def test_a_recorded_boot_tells_its_addresses_and_its_end() -> None:
    seen = heard(*(CONSOLES / "debian-12.txt").read_text().splitlines())
    assert seen.addresses == ("10.0.2.15", "fec0::5054:ff:fe2d:62b0")
    assert seen.cloud_init is CloudInitStatus.DONE
    assert seen.errors == ()
    assert seen.ssh_answered().stage is BootStage.DONE


def test_hearing_the_same_console_again_changes_nothing() -> None:
    lines = (CONSOLES / "debian-12.txt").read_text().splitlines()
    once = heard(*lines)
    assert heard(*lines, seen=once) == once


def test_ssh_may_answer_before_cloud_init_has_ended() -> None:
    seen = heard("Cloud-init v. 24.4 running 'init' at now").ssh_answered()
    assert seen.stage is BootStage.SSH
    assert seen.cloud_init is CloudInitStatus.RUNNING


def test_the_local_step_runs_without_a_network() -> None:
    seen = heard("Cloud-init v. 24.4-0ubuntu1 running 'init-local' at now")
    assert not seen.networked
    assert seen.stage is BootStage.BOOT


FINISHED = "Cloud-init v. 23.4 finished at Mon. Datasource DataSourceNoCloud [seed=/dev/vdb].  Up 30 seconds"


def test_a_failed_module_is_named_once_with_what_it_said() -> None:
    seen = heard(
        "[  9.1] cloud-init[400]: 2026-01-01 00:00:00,000 - "
        "cc_package_update_upgrade_install.py[WARNING]: 1 failed with exceptions, re-raising the last one",
        "2026-01-01 00:00:00,000 - util.py[WARNING]: Running module package-update-upgrade-install "
        "(<module 'cloudinit.config.cc_package_update_upgrade_install' from '/x.py'>) failed",
        FINISHED,
    )
    assert seen.cloud_init is CloudInitStatus.ERROR
    assert seen.errors == (
        "package-update-upgrade-install: 1 failed with exceptions, re-raising the last one",
    )


def test_a_failed_script_is_named_with_its_status() -> None:
    seen = heard("util.py[WARNING]: Failed running /var/lib/cloud/instance/scripts/runcmd [3]", FINISHED)
    assert seen.errors == ("runcmd: it ended with status 3",)


def test_a_module_that_says_nothing_is_still_named() -> None:
    assert heard("Running module ntp (<module x>) failed").errors == ("ntp: the module failed",)


SCRIPT = (
    "[   79.8] cloud-init[372]: Cloud-init v. 22.4.2 running 'modules:final' at now",
    "[   80.3] cloud-init[372]: the disk is full",
    "[   80.4] cloud-init[372]: 2026-01-01 00:00:00,000 - util.py[WARNING]: "
    "Failed running /var/lib/cloud/instance/scripts/runcmd [3]",
    "[   80.5] cloud-init[372]: 2026-01-01 00:00:00,000 - cc_scripts_user.py[WARNING]: Failed to run module",
)


def test_a_failure_comes_with_what_was_written_before_it() -> None:
    (failure,) = heard(*SCRIPT).failures
    assert failure.module == "scripts-user"
    assert failure.lines == (
        "the disk is full",
        "util.py[WARNING]: Failed running /var/lib/cloud/instance/scripts/runcmd [3]",
        "cc_scripts_user.py[WARNING]: Failed to run module",
    )


def test_hearing_a_failure_again_changes_nothing() -> None:
    once = heard(*SCRIPT)
    assert heard(*SCRIPT, seen=once) == once


@pytest.mark.parametrize(
    ("folder", "module"),
    [
        ("/var/lib/cloud/instance/scripts", "scripts-user"),
        ("/var/lib/cloud/scripts/per-boot", "scripts-per-boot"),
        ("/var/lib/cloud/scripts/vendor", "scripts-vendor"),
    ],
)
def test_a_script_belongs_to_the_module_whose_folder_it_is_in(folder: str, module: str) -> None:
    (failure,) = heard(f"util.py[WARNING]: Failed running {folder}/part-001 [1]").failures
    assert failure.module == module


def test_the_agents_lines_come_after_the_consoles() -> None:
    more = AgentFacts(
        cloud_init_errors=("scripts_user: RuntimeError",),
        failures=(ModuleFailure(module="scripts-user", lines=("the disk is full", "Exit code: 3")),),
    )
    (failure,) = heard(*SCRIPT).agent_told(more).failures
    assert failure.lines[0] == "the disk is full"
    assert failure.lines.count("the disk is full") == 1
    assert failure.lines[-1] == "Exit code: 3"


@pytest.mark.parametrize(
    "said",
    [
        "Failed to post phone home data to http://10.0.2.100/s3cret in 3 tries",
        "Requested key pub_key_rsa from 'post' configuration list not available",
    ],
)
def test_a_guest_that_could_not_report_to_us_has_not_failed(said: str) -> None:
    seen = heard(f"cloud-init[1]: 2026-01-01 00:00:00,000 - cc_phone_home.py[WARNING]: {said}", FINISHED)
    assert (seen.cloud_init, seen.errors, seen.failures) == (CloudInitStatus.DONE, (), ())


def test_a_users_own_phone_home_may_fail() -> None:
    seen = heard("cc_phone_home.py[WARNING]: Failed to post phone home data to http://x.example/ in 3 tries")
    assert seen.errors != ()


def test_user_data_that_is_no_yaml_is_an_error() -> None:
    assert heard("util.py[WARNING]: Failed loading yaml blob. Invalid format").errors == (
        "user-data: Failed loading yaml blob",
    )


def test_a_guest_that_did_not_find_its_seed_ends_in_error() -> None:
    seen = heard("Cloud-init v. 23.4 finished at Mon. Datasource DataSourceNone.  Up 9 seconds")
    assert seen.errors == ("datasource: cloud-init did not find its seed",)
    assert seen.cloud_init is CloudInitStatus.ERROR


def test_an_error_after_the_end_still_counts() -> None:
    seen = heard(FINISHED, "Running module ntp (<module x>) failed")
    assert seen.cloud_init is CloudInitStatus.ERROR


def test_a_guest_cannot_fill_the_report_with_errors() -> None:
    seen = heard(*(f"Running module m{n} (x) failed" for n in range(100)))
    assert len(seen.errors) == MAX_ERRORS


def test_colours_and_control_characters_do_not_hide_words() -> None:
    seen = heard("\x1b[0;32mCloud-init v. 23.4\x1b[0m running 'modules:config' at now\x07")
    assert seen.stage is BootStage.CLOUD_INIT


def test_a_panic_is_reported() -> None:
    assert heard("Kernel panic - not syncing: VFS: no root").trouble == (
        "The guest's kernel panicked: VFS: no root."
    )


def test_the_agents_result_is_worth_more_than_the_consoles_warnings() -> None:
    seen = heard("cc_ntp.py[WARNING]: a mere warning", FINISHED)
    told = seen.agent_told(AgentFacts(cloud_init_errors=()))
    assert told.cloud_init is CloudInitStatus.DONE
    assert told.errors == ()


def test_an_agent_that_may_not_read_files_still_tells_addresses() -> None:
    told = BOOTED.agent_told(AgentFacts(addresses=("10.0.2.15",)))
    assert told.stage is BootStage.NETWORK
    assert told.cloud_init is CloudInitStatus.UNKNOWN


def test_a_guest_without_a_word_from_cloud_init_arrives_too() -> None:
    assert BOOTED.ssh_answered().stayed_unheard().stage is BootStage.DONE


def test_goes_on_from_a_journaled_report() -> None:
    report = VmReport(vm_id="a", stage=BootStage.SSH, cloud_init=CloudInitStatus.RUNNING)
    assert BootProgress.so_far(report).stage is BootStage.SSH


def test_what_a_journaled_report_knows_of_failures_is_kept() -> None:
    failures = heard(*SCRIPT).failures
    assert BootProgress.so_far(VmReport(vm_id="a", failures=failures)).failures == failures


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.2.15", True),
        ("fec0::1", True),
        ("fe80::1", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.1.1", False),
        (".", False),
    ],
)
def test_only_addresses_of_use_to_others_are_routable(address: str, *, expected: bool) -> None:
    assert routable(address) is expected


def test_a_guest_cannot_fill_the_report_with_addresses() -> None:
    lines = [f"ci-info: |  eth0  | True |  10.0.{n}.1  | . | . | . |" for n in range(100)]
    seen = heard(*lines, "ci-info: |  eth0  | True |  1.2.3.4.5.6  | . | . | . |")
    assert len(seen.addresses) == MAX_ADDRESSES
    told = seen.agent_told(AgentFacts(addresses=tuple(f"10.1.{n}.1" for n in range(100))))
    assert len(told.addresses) == MAX_ADDRESSES
    assert heard("ci-info: |  eth0  | True |  1.2.3.4.5.6  | . | . | . |").addresses == ()


def test_a_long_name_of_a_script_is_cut() -> None:
    (error,) = heard(f"Failed running /x/{'a' * 5000} [1]").errors
    assert len(error) <= 300
