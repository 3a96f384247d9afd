/** The words of the display's page. */
export const displayText = {
  title: (name: string) => `Display of ${name}`,
  back: 'Back to the VM',
  label: (name: string) => `Display of ${name}: its keyboard and mouse are yours`,
  state: { connecting: 'Connecting…', open: 'Connected', lost: 'Connection lost; it is tried again', ended: 'Not connected' },
  intro: 'What a screen at the machine would show. Keys and mouse go to the guest; Shift+Tab leaves the display.',
  console: 'Serial console',
  full: 'Full screen',
  ctrlAltDel: 'Ctrl+Alt+Del',
  paste: 'Type a text',
  pasteTitle: 'Type a text into the guest',
  pasteLabel: 'Text',
  pasteHint: 'It is typed key by key, on the keyboard that the guest believes to have. A US layout is safest.',
  pasteSend: 'Type it',
  again: 'Connect again',
  ended: 'The display ended.',
  refusedPassword: 'The display did not take its password. Connect again for a new one.',
  // For codes that come without a sentence.
  endings: {
    1000: 'The display let this viewer go.',
    1001: 'The server is going away.',
    1006: 'The line to the server broke.',
    1012: 'The server restarts.',
  } as Record<number, string>,
  unknownEnding: (code: number) => `It ended with code ${code}.`,
};
