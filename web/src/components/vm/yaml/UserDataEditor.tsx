import { autocompletion, type CompletionContext, completionKeymap, type CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';
import { classHighlighter } from '@lezer/highlight';
import { type ReactNode, useEffect, useRef } from 'react';
import { hintOf, pathAt, typesOf } from '@/components/vm/yaml/keys';
import { isCloudConfig, type Problem } from '@/components/vm/yaml/problems';
import { styleNonce } from '@/theme/nonce';

export interface EditorProps {
  label: string;
  describedBy: string;
  value: string;
  problems: readonly Problem[];
  change: (text: string) => void;
}

/** The keys that cloud-init knows at this place, and the values where there are only some. */
function complete(context: CompletionContext): CompletionResult | null {
  const { state, pos } = context;
  if (!isCloudConfig(state.doc.sliceString(0, 40))) return null;
  const line = state.doc.lineAt(pos);
  const lines = state.doc.toString().split('\n');
  const path = pathAt(lines, line.number - 1);
  const before = line.text.slice(0, pos - line.from);
  const value = /^\s*(?:-\s+)*([\w.-]+)\s*:\s+([\w.-]*)$/.exec(before);
  if (value) {
    const hint = hintOf([...path, value[1] ?? '']);
    const values = hint?.oneOf ?? (hint?.is?.includes('boolean') ? [true, false] : []);
    return values.length ? { from: pos - (value[2] ?? '').length, options: values.map((one) => ({ label: String(one), type: 'constant' })) } : null;
  }
  const key = /^\s*(?:-\s+)*([\w.-]*)$/.exec(before);
  const keys = key && hintOf(path)?.keys;
  if (!keys || (!key[1] && !context.explicit)) return null;
  return {
    from: pos - (key[1] ?? '').length,
    options: Object.entries(keys).map(([label, hint]) => ({ label, type: 'property', detail: typesOf(hint).slice(0, 60), apply: `${label}: ` })),
    validFor: /^[\w.-]*$/,
  };
}

/** CodeMirror for cloud-config. Tab goes on to the next field, as everywhere else on the page. */
export default function UserDataEditor({ label, describedBy, value, problems, change }: EditorProps): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  const changed = useRef(change);
  const first = useRef(value);
  useEffect(() => {
    changed.current = change;
  }, [change]);
  useEffect(() => {
    if (!place.current) return undefined;
    const made = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          EditorView.cspNonce.of(styleNonce()),
          lineNumbers(),
          lintGutter(),
          history(),
          indentOnInput(),
          bracketMatching(),
          yaml(),
          syntaxHighlighting(classHighlighter),
          autocompletion({ override: [complete], icons: false }),
          keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label, 'aria-describedby': describedBy, spellcheck: 'false' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed.current(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, [label, describedBy]);
  useEffect(() => {
    const { current } = view;
    if (!current) return;
    const { length } = current.state.doc;
    const shown = problems.filter(({ to }) => to <= length);
    current.dispatch(setDiagnostics(current.state, shown.map(({ from, to, message, severity }) => ({ from, to, message, severity }))));
  }, [problems]);
  return <div ref={place} className="editor" />;
}
