"""A node's heartbeat on the wire, with what it says of its VMs."""

from __future__ import annotations

from image_library.domain.node import Heartbeat
from image_library.domain.vm import BootStage, CloudInitStatus, PowerState, VmReport
from image_library.wire.guest_report import (
    failures_from_wire,
    failures_to_wire,
    guest_from_wire,
    guest_to_wire,
)
from image_library.wire.store_health import (
    degradation_from_wire,
    degradation_to_wire,
    scrub_from_wire,
    scrub_to_wire,
)
from limiquantix.compute.v1.node_pb import UpdateHeartbeatRequest, VMReport
from limiquantix.compute.v1.vm_pb import VmStatus

_STATES = {
    PowerState.UNKNOWN: VmStatus.PowerState.UNKNOWN,
    PowerState.RUNNING: VmStatus.PowerState.RUNNING,
    PowerState.STOPPED: VmStatus.PowerState.STOPPED,
    PowerState.PAUSED: VmStatus.PowerState.PAUSED,
    PowerState.CRASHED: VmStatus.PowerState.CRASHED,
    PowerState.PROVISIONING: VmStatus.PowerState.PROVISIONING,
    PowerState.LOST: VmStatus.PowerState.LOST,
}
_STATES_BACK = {wire: state for state, wire in _STATES.items()}
_STAGES = {stage.value: stage for stage in BootStage}
_CLOUD_INIT = {status.value: status for status in CloudInitStatus}


def heartbeat_to_wire(heartbeat: Heartbeat) -> UpdateHeartbeatRequest:
    return UpdateHeartbeatRequest(
        node_id=heartbeat.node_id,
        running_vm_count=heartbeat.running_vm_count,
        disk_used_bytes=heartbeat.disk_used_bytes,
        disk_total_bytes=heartbeat.disk_total_bytes,
        vms=[_report_to_wire(report) for report in heartbeat.vms],
        vms_complete=heartbeat.vms_complete,
        error_message=heartbeat.error_message,
        degraded=degradation_to_wire(heartbeat.degraded),
        scrub=scrub_to_wire(heartbeat.scrub),
    )


def heartbeat_from_wire(message: UpdateHeartbeatRequest) -> Heartbeat:
    return Heartbeat(
        node_id=message.node_id,
        running_vm_count=message.running_vm_count,
        disk_used_bytes=message.disk_used_bytes,
        disk_total_bytes=message.disk_total_bytes,
        vms=tuple(_report_from_wire(report) for report in message.vms),
        vms_complete=message.vms_complete,
        error_message=message.error_message,
        degraded=degradation_from_wire(message.degraded),
        scrub=scrub_from_wire(message.scrub),
    )


def _report_to_wire(report: VmReport) -> VMReport:
    return VMReport(
        vm_id=report.vm_id,
        state=_STATES[report.state],
        stage=report.stage.value,
        ssh_host=report.ssh_host,
        ssh_port=report.ssh_port,
        ip_addresses=list(report.ip_addresses),
        cloud_init_status=report.cloud_init.value,
        cloud_init_errors=list(report.cloud_init_errors),
        error_message=report.error_message,
        guest=guest_to_wire(report.guest),
        cloud_init_failures=failures_to_wire(report.failures),
    )


def _report_from_wire(message: VMReport) -> VmReport:
    """A node's word; what a newer node says in words unknown here is taken for the least."""
    return VmReport(
        vm_id=message.vm_id,
        state=_STATES_BACK.get(message.state, PowerState.UNKNOWN),
        stage=_STAGES.get(message.stage, BootStage.DISK),
        ssh_host=message.ssh_host,
        ssh_port=message.ssh_port,
        ip_addresses=tuple(message.ip_addresses),
        cloud_init=_CLOUD_INIT.get(message.cloud_init_status, CloudInitStatus.UNKNOWN),
        cloud_init_errors=tuple(message.cloud_init_errors),
        error_message=message.error_message,
        guest=guest_from_wire(message.guest),
        failures=failures_from_wire(message.cloud_init_failures),
    )
