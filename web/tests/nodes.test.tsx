import { create } from '@bufbuild/protobuf';
import { cleanup, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { NodeSchema, NodeStatus_Phase } from '@/gen/limiquantix/compute/v1/node_pb';
import { DegradedNote, PhaseBadge } from '@/pages/Nodes';
import { rendered, Stream, transport } from './support';

afterEach(cleanup);

function card(phase: NodeStatus_Phase, trouble?: string): void {
  const degraded = trouble ? { trouble, reason: 'A sync failed.' } : undefined;
  const node = create(NodeSchema, { id: '1', hostname: 'alpha', status: { phase, degraded } });
  rendered([<PhaseBadge key="phase" node={node} />, <DegradedNote key="why" node={node} />], transport(new Stream()));
}

test('a node that takes nothing new says why, and what ends it', () => {
  card(NodeStatus_Phase.READY, 'failing');
  expect(screen.getByText('Degraded: failing')).toBeTruthy();
  expect(screen.getByRole('alert').textContent).toContain('A sync failed. Check its disk, then: limiquantix nodes resume alpha');
});

test('a read-only one waits for nobody', () => {
  card(NodeStatus_Phase.READY, 'read-only');
  expect(screen.getByText('Degraded: read-only')).toBeTruthy();
  expect(screen.getByRole('alert').textContent).toContain('by itself');
});

test('a node that is away is that first, and a well one says nothing', () => {
  card(NodeStatus_Phase.OFFLINE, 'failing');
  expect(screen.getByText('Offline')).toBeTruthy();
  cleanup();
  card(NodeStatus_Phase.READY);
  expect(screen.getByText('Ready')).toBeTruthy();
  expect(screen.queryByRole('alert')).toBeNull();
});
