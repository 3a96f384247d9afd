import { createClient } from '@connectrpc/connect';
import { useTransport } from '@connectrpc/connect-query';
import { useEffect, useRef, useState } from 'react';
import { ImageService, type VerifyImageProgress } from '@/gen/limiquantix/storage/v1/image_pb';

interface Check {
  running: boolean;
  /** The last that was said of each node's copy. */
  said: ReadonlyMap<string, VerifyImageProgress>;
  error: unknown;
}

const IDLE: Check = { running: false, said: new Map(), error: undefined };

/** Has the copies of an image read again; it ends when it is stopped or the page is left. */
export function useVerifyImage(image: string): Check & { start: () => void; stop: () => void } {
  const transport = useTransport();
  const [check, setCheck] = useState<Check>(IDLE);
  const stopping = useRef<AbortController | undefined>(undefined);
  const stop = (): void => stopping.current?.abort();
  useEffect(() => stop, [image]);
  const read = async (signal: AbortSignal): Promise<void> => {
    setCheck({ ...IDLE, running: true });
    let error: unknown;
    try {
      for await (const step of createClient(ImageService, transport).verifyImage({ image }, { signal })) {
        setCheck((before) => ({ ...before, said: new Map(before.said).set(step.nodeId, step) }));
      }
    } catch (thrown) {
      error = thrown;
    }
    // What was only begun says nothing once it is over.
    setCheck(({ said }) => ({ running: false, said: new Map([...said].filter(([, step]) => step.result)), error: signal.aborted ? undefined : error }));
  };
  const start = (): void => {
    stop();
    stopping.current = new AbortController();
    void read(stopping.current.signal);
  };
  return { ...check, start, stop };
}
