/** noVNC's viewer, as far as it is used here; the package brings no types. Source: its docs/API.md. */
declare module '@novnc/novnc' {
  interface RfbOptions {
    shared?: boolean;
    credentials?: { password: string };
  }

  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: WebSocket, options?: RfbOptions);
    scaleViewport: boolean;
    background: string;
    readonly capabilities: { power: boolean };
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    sendCtrlAltDel(): void;
    focus(): void;
    blur(): void;
    disconnect(): void;
  }
}
