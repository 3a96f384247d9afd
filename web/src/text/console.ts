import type { LineState } from '@/api/serial';

/** The words of the console's page. */
export const consoleText = {
  title: (name: string) => `Console of ${name}`,
  back: 'Back to the VM',
  label: (name: string) => `Serial console of ${name}`,
  state: { connecting: 'Waiting for output…', open: 'Connected', waiting: 'The VM has not been started yet', lost: 'Connection lost; it is tried again' } satisfies Record<LineState, string>,
  full: 'Full screen',
  copy: 'Copy text',
  save: 'Save as a file',
  file: (name: string) => `${name}-console.txt`,
  intro: 'All that the guest has written to its first serial port, from the firmware on. What you type goes to the guest; Shift+Tab leaves the terminal.',
  refused: 'What you typed did not reach the guest.',
};
