import { Modal } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import { text } from '@/text/en';

interface Props {
  title: string;
  close: () => void;
  size?: 'md' | 'lg';
  children: ReactNode;
}

/** A dialog that is there while it is drawn: it keeps the focus, and gives it back to what had it before. */
export function Dialog({ title, close, size = 'md', children }: Props): ReactNode {
  const before = useRef(document.activeElement);
  useEffect(() => {
    const { current } = before;
    return () => {
      if (current instanceof HTMLElement && current.isConnected) current.focus();
    };
  }, []);
  return (
    <Modal opened onClose={close} title={title} size={size} closeButtonProps={{ 'aria-label': text.close }}>
      {children}
    </Modal>
  );
}
