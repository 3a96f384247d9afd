import { create } from '@bufbuild/protobuf';
import { cleanup, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { AuditReportSchema, type AuditReport, Finding_Severity as Severity, VirtualMachineSchema, VMService, VmStatus_PowerState as State } from '@/gen/limiquantix/compute/v1/vm_pb';
import { type CaptureTemplateRequest, ImageService, ImportStatus_Status, ImportStatusSchema } from '@/gen/limiquantix/storage/v1/image_pb';
import CaptureDialog from '@/pages/vm/CaptureDialog';
import { rendered, Stream, transport } from './support';

afterEach(cleanup);

const vm = create(VirtualMachineSchema, { id: 'v', name: 'web' });
const running = create(VirtualMachineSchema, { id: 'v', name: 'web', status: { state: State.RUNNING } });
const KEYS = { code: 'ssh-host-keys', severity: Severity.BLOCKER, message: 'It holds its SSH host keys.', remedy: 'Removed by cleaning.' };

function server(report: AuditReport, asked: CaptureTemplateRequest[]) {
  const job = create(ImportStatusSchema, { jobId: 'j', name: 'web-template', stage: 'converting', status: ImportStatus_Status.CONVERTING });
  return transport(new Stream(), (router) => {
    router.rpc(VMService.method.preflightCapture, () => report);
    router.rpc(ImageService.method.captureTemplate, (request) => {
      asked.push(request);
      return job;
    });
    router.rpc(ImageService.method.getImportStatus, () => job);
  });
}

function button(): HTMLButtonElement {
  return screen.getByRole('button', { name: 'Capture' });
}

test('what is its own is shown, and the copy is cleaned', async () => {
  const asked: CaptureTemplateRequest[] = [];
  rendered(<CaptureDialog vm={vm} close={() => undefined} />, server(create(AuditReportSchema, { findings: [KEYS], cleanable: true, fileSystem: 'ext4' }), asked));
  expect(await screen.findByText('It holds its SSH host keys.')).toBeTruthy();
  fireEvent.click(button());
  expect(await screen.findByText('Converting')).toBeTruthy();
  expect(asked.map(({ vmId, name, asItIs, force }) => [vmId, name, asItIs, force])).toEqual([['v', 'web-template', false, false]]);
});

test('without cleaning it takes a word more', async () => {
  const asked: CaptureTemplateRequest[] = [];
  rendered(<CaptureDialog vm={vm} close={() => undefined} />, server(create(AuditReportSchema, { findings: [KEYS], fileSystem: 'xfs' }), asked));
  expect(await screen.findByText(/file system \(xfs\) cannot be cleaned/)).toBeTruthy();
  expect(button().disabled).toBe(true);
  fireEvent.click(screen.getByLabelText(/^Capture it although/));
  fireEvent.change(screen.getByLabelText('Name'), { target: { value: 'golden' } });
  fireEvent.click(button());
  expect(await screen.findByText('Converting')).toBeTruthy();
  expect(asked.map(({ name, asItIs, force }) => [name, asItIs, force])).toEqual([['golden', true, true]]);
});

test('one that runs is captured when it may be frozen', async () => {
  const asked: CaptureTemplateRequest[] = [];
  rendered(<CaptureDialog vm={running} close={() => undefined} />, server(create(AuditReportSchema, { findings: [KEYS], cleanable: true, fileSystem: 'ext4' }), asked));
  expect(await screen.findByText('It holds its SSH host keys.')).toBeTruthy();
  expect(button().disabled).toBe(true);
  expect(screen.queryByLabelText(/^Let its agent clean/)).toBeNull();
  fireEvent.click(screen.getByLabelText(/^Freeze it/));
  fireEvent.click(button());
  expect(await screen.findByText('Converting')).toBeTruthy();
  expect(asked.map(({ frozen, cleanInGuest, asItIs, force }) => [frozen, cleanInGuest, asItIs, force])).toEqual([[true, false, false, false]]);
});

test('its agent cleans what cannot be cleaned from outside, when that is asked for', async () => {
  const asked: CaptureTemplateRequest[] = [];
  rendered(<CaptureDialog vm={running} close={() => undefined} />, server(create(AuditReportSchema, { findings: [KEYS], fileSystem: 'xfs' }), asked));
  fireEvent.click(await screen.findByLabelText(/^Freeze it/));
  fireEvent.click(await screen.findByLabelText(/^Let its agent clean/));
  expect(screen.queryByText(/cannot be cleaned from outside/)).toBeNull();
  expect(button().disabled).toBe(false);
  fireEvent.click(button());
  expect(await screen.findByText('Converting')).toBeTruthy();
  expect(asked.map(({ frozen, cleanInGuest, asItIs, force }) => [frozen, cleanInGuest, asItIs, force])).toEqual([[true, true, false, false]]);
});

test('one that is stopped is not asked about', async () => {
  rendered(<CaptureDialog vm={vm} close={() => undefined} />, server(create(AuditReportSchema, { findings: [KEYS], fileSystem: 'xfs' }), []));
  expect(await screen.findByText(/file system \(xfs\) cannot be cleaned/)).toBeTruthy();
  expect(screen.queryByLabelText(/^Freeze it/)).toBeNull();
  expect(screen.queryByLabelText(/^Let its agent clean/)).toBeNull();
});
