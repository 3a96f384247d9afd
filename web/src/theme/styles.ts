import { styleNonce } from '@/theme/nonce';

const OWN = ['style', 'span'];

/**
 * For programs that make styles without asking for the page's number: until the answer is called, each style element
 * that a script makes has it, and a style that is written as a span's attribute, which the page's policy refuses, is
 * set as properties. Scripts are the page's own; markup from elsewhere comes by no such way.
 */
export function allowMadeStyles(): () => void {
  const make = document.createElement.bind(document);
  const made = (tag: string, options?: ElementCreationOptions): HTMLElement => {
    const element = make(tag, options);
    return OWN.includes(tag) ? prepared(element) : element;
  };
  document.createElement = made as typeof document.createElement;
  return () => {
    // What lies below it is the document's own.
    if (document.createElement === made) Reflect.deleteProperty(document, 'createElement');
  };
}

function prepared(element: HTMLElement): HTMLElement {
  if (element instanceof HTMLStyleElement) {
    element.nonce = styleNonce();
    return element;
  }
  const set = element.setAttribute.bind(element);
  element.setAttribute = (name, value) => {
    if (name === 'style') element.style.cssText = value;
    else set(name, value);
  };
  return element;
}
