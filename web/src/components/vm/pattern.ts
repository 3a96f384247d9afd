/**
 * Patterns of a profile's parameters: classes and signs with counts, without groups and alternatives. Each sign of a
 * value is looked at once for each place of the pattern, so that none can hold up the page. The server judges again.
 */
interface Place {
  sign: RegExp;
  mayMiss: boolean;
  mayRepeat: boolean;
}

const TOKEN = /(\[\^?\]?(?:\\[dwsDWS\\\][^-]|[^\\\][])+\]|\\[dwsDWS]|\\[^A-Za-z0-9]|[^\\()[\]{}*+?|^$])([*+?]|\{\d{1,3}(?:,\d{0,3})?\})?/y;
const MOST_PLACES = 1024;

/** Whether the whole value fits; what is no pattern here, or a value beyond ASCII, is left to the server. */
export function fits(pattern: string, value: string): boolean {
  const places = placesOf(pattern);
  if (!places || /[^\t\n -~]/.test(value)) return true;
  let here = reached(places, [0]);
  for (const sign of value) {
    const next: number[] = [];
    for (const at of here) {
      const place = places[at];
      if (place?.sign.test(sign)) next.push(place.mayRepeat ? at : at + 1);
    }
    here = reached(places, next);
  }
  return here.has(places.length);
}

function placesOf(pattern: string): Place[] | undefined {
  const places: Place[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < pattern.length) {
    const [, one, count = ''] = TOKEN.exec(pattern) ?? [];
    if (one === undefined) return undefined;
    const [least, most] = countsOf(count);
    const sign = new RegExp(`^${one}$`, 's');
    for (let number = 0; number < (most ?? least); number += 1) places.push({ sign, mayMiss: number >= least, mayRepeat: false });
    if (most === undefined) places.push({ sign, mayMiss: true, mayRepeat: true });
    if (places.length > MOST_PLACES) return undefined;
  }
  return places;
}

function countsOf(count: string): [number, number | undefined] {
  if (count === '*') return [0, undefined];
  if (count === '+') return [1, undefined];
  if (count === '?') return [0, 1];
  const [, least, comma, most] = /^\{(\d+)(,?)(\d*)\}$/.exec(count) ?? [];
  if (least === undefined) return [1, 1];
  if (!comma) return [Number(least), Number(least)];
  return [Number(least), most ? Number(most) : undefined];
}

/** These places, and those behind what may be left out. */
function reached(places: readonly Place[], from: readonly number[]): Set<number> {
  const found = new Set<number>();
  for (let at of from) {
    found.add(at);
    while (places[at]?.mayMiss && !found.has(at + 1)) {
      at += 1;
      found.add(at);
    }
  }
  return found;
}
