import { classHighlighter, highlightTree } from '@lezer/highlight';
import { parser } from '@lezer/yaml';
import { type ReactNode, useMemo } from 'react';

/** A YAML text with its keys, values and comments told apart, by classes alone. */
export default function Highlighted({ text }: { text: string }): ReactNode {
  return useMemo(() => {
    const pieces: ReactNode[] = [];
    let reached = 0;
    highlightTree(parser.parse(text), classHighlighter, (from, to, classes) => {
      if (from > reached) pieces.push(text.slice(reached, from));
      pieces.push(<span key={from} className={classes}>{text.slice(from, to)}</span>);
      reached = to;
    });
    return [...pieces, text.slice(reached)];
  }, [text]);
}
