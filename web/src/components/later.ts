import { type ComponentType, lazy, type LazyExoticComponent } from 'react';

const PAUSE_MS = 2000;

/**
 * A part of the page that is loaded when it is first shown. While no server answers its place is kept, and it is
 * tried again; where one answers and does not have it, as after an update, the page has to be loaded anew.
 */
export function later<Props>(load: () => Promise<{ default: ComponentType<Props> }>): LazyExoticComponent<ComponentType<Props>> {
  return lazy(() => patiently(load));
}

async function patiently<Part>(load: () => Promise<Part>): Promise<Part> {
  for (let answered = false; ; answered = await answers()) {
    try {
      return await load();
    } catch (error) {
      if (answered) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch('/', { method: 'HEAD', cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}
