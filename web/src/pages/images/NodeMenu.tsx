import { ActionIcon, Menu } from '@mantine/core';
import { IconChevronDown } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Node } from '@/gen/limiquantix/compute/v1/node_pb';
import { text } from '@/text/en';

export interface NodeMenuProps {
  label: string;
  variant: string;
  /** Those that do not have the image. */
  nodes: readonly Node[];
  /** Absent where the image is on some node already. */
  toAny?: (() => void) | undefined;
  toAll: () => void;
  toOne: (nodeId: string) => void;
}

/** Where to download to. Loaded, and open, when it is first asked for. */
export default function NodeMenu({ label, variant, nodes, toAny, toAll, toOne }: NodeMenuProps): ReactNode {
  return (
    <Menu position="bottom-end" defaultOpened>
      <Menu.Target>
        <ActionIcon size={36} variant={variant} aria-label={label} className="joined">
          <IconChevronDown size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{text.images.where}</Menu.Label>
        {toAny && <Menu.Item onClick={toAny}>{text.images.anyNode}</Menu.Item>}
        <Menu.Item onClick={toAll}>{text.images.allNodes}</Menu.Item>
        {nodes.map((node) => (
          <Menu.Item key={node.id} onClick={() => toOne(node.id)}>
            {node.hostname}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
