import { create } from '@bufbuild/protobuf';
import { cleanup, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { BootMark } from '@/components/BootMark';
import { ImageService, ImportStatus_Status, ImportStatusSchema, type ProveImageRequest } from '@/gen/limiquantix/storage/v1/image_pb';
import { BootProofSchema } from '@/gen/limiquantix/storage/v1/trust_pb';
import { BootProof } from '@/pages/image/BootProof';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { image, rendered, Stream, transport } from './support';

afterEach(cleanup);

function tried(proof: MessageInitShape<typeof BootProofSchema> | undefined, boots = false) {
  const one = image('1', 'debian-12');
  if (one.status) {
    one.status.digest = 'sha256:ab';
    one.status.boots = boots;
    if (proof) one.status.bootProof = create(BootProofSchema, proof);
  }
  return one;
}

const SEEN = {
  outcome: 'passed',
  nodeId: 'box',
  hypervisor: 'qemu',
  accelerator: 'tcg',
  firmware: 'bios',
  loginUser: 'debian',
  loginMethod: 'ssh key',
  stages: [{ stage: 'boot', seconds: 0 }, { stage: 'login', seconds: 12.25 }],
  facts: { osRelease: 'Debian 12', hostKeyTypes: ['ssh-ed25519'], agent: true },
  serialTail: 'login: <b>',
};

test('what was seen is shown, and the image is marked', () => {
  const one = tried(SEEN, true);
  rendered(<><BootMark status={one.status} /><BootProof image={one} /></>, transport(new Stream()));
  expect(screen.getByText('Boots')).toBeTruthy();
  for (const words of ['debian, by ssh key', 'box, qemu, tcg, bios', 'Debian 12', 'ssh-ed25519', 'login: <b>']) expect(screen.getByText(words)).toBeTruthy();
  expect(screen.getByText('Power on 0.0 s · Login 12.3 s')).toBeTruthy();
});

test('a failed proof is told with its stage, module and remedy, and never as one that passed', () => {
  const one = tried({ ...SEEN, outcome: 'failed', failedStage: 'cloud_init', failedModule: 'scripts-user', errorMessage: 'It ended badly.', errorRemedy: 'Look at it.' });
  rendered(<><BootMark status={one.status} /><BootProof image={one} /></>, transport(new Stream()));
  expect(screen.getByText('Did not boot')).toBeTruthy();
  expect(screen.queryByText('Boots')).toBeNull();
  expect(screen.getByRole('alert').textContent).toContain('Cloud-init (scripts-user)');
  expect(screen.getByRole('alert').textContent).toContain('Look at it.');
});

test('where nobody could log in there is no mark, and it is said why', () => {
  const one = tried({ outcome: 'partial', unproved: 'Nobody can log in to it.' });
  rendered(<><BootMark status={one.status} /><BootProof image={one} /></>, transport(new Stream()));
  expect(screen.getByText('Nobody can log in to it.')).toBeTruthy();
  expect(screen.queryByText('Boots')).toBeNull();
});

test('a proof is asked for, and its stages are shown while it runs', async () => {
  const asked: ProveImageRequest[] = [];
  const job = create(ImportStatusSchema, { jobId: 'j', kind: 'prove', imageId: '1', name: 'debian-12', stage: 'proving', status: ImportStatus_Status.DOWNLOADING, bootStages: [{ stage: 'network', seconds: 4 }] });
  const server = transport(new Stream(), (router) => {
    router.rpc(ImageService.method.proveImage, (request) => {
      asked.push(request);
      return job;
    });
    router.rpc(ImageService.method.getImportStatus, () => job);
  });
  rendered(<BootProof image={tried(undefined)} />, server);
  expect(screen.getByText('Nobody has tried whether it boots.')).toBeTruthy();
  fireEvent.click(screen.getByRole('button', { name: 'Prove that it boots' }));
  expect(await screen.findByText('Network up 4.0 s')).toBeTruthy();
  expect(asked.map(({ image: of }) => of)).toEqual(['1']);
  expect(screen.queryByRole('button', { name: 'Prove that it boots' })).toBeNull();
});
