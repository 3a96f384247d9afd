/** The words around what a guest says of itself. */
export const guestText = {
  failed: (module: string) => `What was said of ${module}`,
  keys: 'Host keys that the guest reported',
  knownHosts: 'Copy lines for known_hosts',
};
