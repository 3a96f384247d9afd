import { setNonce } from 'get-nonce';

/** The number that the server gave this page's styles; Mantine marks what it adds at run time with it. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? '';
}

/** For the parts of Mantine that lock scrolling and ask elsewhere. */
export function shareNonce(): void {
  setNonce(styleNonce());
}
