import '@xterm/xterm/css/xterm.css';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { type ReactNode, useEffect, useRef } from 'react';
import { allowMadeStyles } from '@/theme/styles';

/** What one does with a terminal from outside. */
export interface TerminalHandle {
  write: (data: Uint8Array) => void;
  /** What is selected; else all that there is. */
  copy: () => string;
  clear: () => void;
}

interface Props {
  label: string;
  /** What is typed and pasted. */
  typed: (keys: string) => void;
  ready: (terminal: TerminalHandle) => () => void;
}

const LINES = 10_000;
// A terminal is dark in both schemes: what guests colour is made for that.
const THEME = { background: '#16181d', foreground: '#e6e8eb', cursor: '#e6e8eb', selectionBackground: '#3b5bdb' };

/** A terminal of the size of its place. It keeps ten thousand lines, and obeys no sequence that reaches beyond it. */
export default function SerialTerminal({ label, typed, ready }: Props): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { current } = place;
    if (!current) return undefined;
    const forbid = allowMadeStyles();
    const terminal = new Terminal({ theme: THEME, fontSize: 13, scrollback: LINES, cursorBlink: false, cursorInactiveStyle: 'outline', screenReaderMode: true });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(current);
    terminal.textarea?.setAttribute('aria-label', label);
    fit.fit();
    // Ctrl-C is the guest's; with the shift it copies, as in other terminals.
    terminal.attachCustomKeyEventHandler((event) => {
      // The way out for whoever has no mouse.
      if (event.key === 'Tab' && event.shiftKey) return false;
      if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey || event.code !== 'KeyC' || !terminal.hasSelection()) return true;
      event.preventDefault();
      void navigator.clipboard.writeText(terminal.getSelection());
      return false;
    });
    // A terminal answers some sequences by itself. Old output has them too: nothing is answered before somebody is there.
    let attended = false;
    const attend = (): void => { attended = true; };
    terminal.onKey(attend);
    current.addEventListener('paste', attend, { capture: true });
    terminal.onData((keys) => { if (attended) typed(keys); });
    const sizes = new ResizeObserver(() => fit.fit());
    sizes.observe(current);
    const leave = ready({ write: (data) => terminal.write(data), copy: () => terminal.getSelection() || wholeText(terminal), clear: () => terminal.reset() });
    return () => {
      leave();
      sizes.disconnect();
      current.removeEventListener('paste', attend, { capture: true });
      terminal.dispose();
      forbid();
    };
  }, [label, typed, ready]);
  return <div ref={place} className="terminal" />;
}

function wholeText(terminal: Terminal): string {
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, number) => active.getLine(number)?.translateToString(true) ?? '');
  return `${lines.join('\n').trimEnd()}\n`;
}
