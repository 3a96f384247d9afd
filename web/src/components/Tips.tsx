import { Paper } from '@mantine/core';
import { type ReactNode, useEffect, useRef, useState } from 'react';

const ID = 'tip';
const GAP = 8;
// So long the pointer may take to get from the element to its tip (WCAG 1.4.13: it can be hovered).
const GRACE = 150;

interface Tip {
  owner: Element;
  words: string;
}

/** What to give an element so that hovering or focusing it explains it. */
export function tip(words: string): { 'data-tip': string } {
  return { 'data-tip': words };
}

/** The one tip of the page: a table of thousands of rows needs no thousand tips. */
export function Tips(): ReactNode {
  const [shown, setShown] = useState<Tip | undefined>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    const hold = (): void => clearTimeout(timer.current);
    const show = (event: Event): void => {
      const owner = event.target instanceof Element ? event.target.closest('[data-tip]') : null;
      if (owner) {
        hold();
        setShown({ owner, words: owner.getAttribute('data-tip') ?? '' });
      } else if (event.target instanceof Element && event.target.closest(`#${ID}`)) hold();
    };
    const hide = (): void => {
      hold();
      timer.current = setTimeout(() => setShown(undefined), GRACE);
    };
    const dismiss = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') setShown(undefined);
    };
    const doors: [string, (event: never) => void][] = [
      ['pointerover', show],
      ['focusin', show],
      ['pointerout', hide],
      ['focusout', hide],
      ['keydown', dismiss],
    ];
    for (const [name, listener] of doors) document.addEventListener(name, listener as EventListener);
    document.addEventListener('scroll', hide, { capture: true, passive: true });
    return () => {
      for (const [name, listener] of doors) document.removeEventListener(name, listener as EventListener);
      document.removeEventListener('scroll', hide, { capture: true });
      hold();
    };
  }, []);
  useEffect(() => {
    shown?.owner.setAttribute('aria-describedby', ID);
    return () => shown?.owner.removeAttribute('aria-describedby');
  }, [shown]);
  if (!shown) return null;
  return (
    <Paper id={ID} role="tooltip" shadow="md" className="tip" style={place(shown.owner)}>
      {shown.words}
    </Paper>
  );
}

/** Below its owner, or above it near the foot of the window; never beyond an edge. */
function place(owner: Element): { left: number; top?: number; bottom?: number } {
  const box = owner.getBoundingClientRect();
  const left = Math.max(GAP, Math.min(box.left, innerWidth - 320 - GAP));
  return box.bottom > innerHeight - 120 ? { left, bottom: innerHeight - box.top + GAP } : { left, top: box.bottom + GAP };
}
