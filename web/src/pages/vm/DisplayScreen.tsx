import RFB from '@novnc/novnc';
import { type ReactNode, useEffect, useRef } from 'react';
import type { DisplayLine, Ending } from '@/api/display';

/** What one does with a display from outside. */
export interface DisplayHandle {
  ctrlAltDel: () => void;
  type: (keys: readonly number[]) => void;
}

interface Props {
  label: string;
  line: DisplayLine;
  /** The picture comes. */
  opened: (display: DisplayHandle) => void;
  /** The display's server did not take the password. */
  refused: () => void;
  ended: (how: Ending) => void;
}

const SHIFTS = [[0xffe1, 'ShiftLeft'], [0xffe2, 'ShiftRight']] as const;

/** A display of the size of its place, which speaks RFB over a WebSocket. */
export default function DisplayScreen({ label, line, opened, refused, ended }: Props): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { current } = place;
    if (!current) return undefined;
    // Opened here: the viewer must be there before the first byte is.
    const socket = new WebSocket(line.url);
    const closed = ({ code, reason }: CloseEvent): void => ended({ code, reason });
    socket.addEventListener('close', closed);
    const viewer = new RFB(current, socket, { shared: true, credentials: { password: line.password } });
    viewer.scaleViewport = true;
    viewer.background = 'transparent';
    const canvas = current.querySelector('canvas');
    // In the order of the page, and by a name.
    canvas?.setAttribute('role', 'application');
    canvas?.setAttribute('aria-label', label);
    canvas?.setAttribute('tabindex', '0');
    // The way out for whoever has no mouse. The guest is told that the key is up again.
    const leave = (event: KeyboardEvent): void => {
      if (event.key !== 'Tab' || !event.shiftKey) return;
      event.stopPropagation();
      for (const [key, code] of SHIFTS) viewer.sendKey(key, code, false);
    };
    current.addEventListener('keydown', leave, { capture: true });
    viewer.addEventListener('connect', () => {
      viewer.focus();
      opened({
        ctrlAltDel: () => viewer.sendCtrlAltDel(),
        type: (keys) => keys.forEach((key) => viewer.sendKey(key, null)),
      });
    });
    viewer.addEventListener('securityfailure', refused);
    return () => {
      socket.removeEventListener('close', closed);
      current.removeEventListener('keydown', leave, { capture: true });
      viewer.disconnect();
    };
  }, [label, line, opened, refused, ended]);
  return <div ref={place} className="screen" />;
}
