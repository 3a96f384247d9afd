import { createTheme, type CSSVariablesResolver, type MantineTheme } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: { light: 7, dark: 7 },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  headings: { fontWeight: '650' },
  // A dialog's head is no second banner of the page.
  components: { ModalHeader: { defaultProps: { role: 'presentation' } } },
});

const TINTED = ['gray', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'indigo', 'violet'] as const;

function tints({ colors }: MantineTheme, shade: number): Record<string, string> {
  return Object.fromEntries(
    TINTED.map((name) => [`--mantine-color-${name}-light-color`, colors[name][shade] ?? '']),
  );
}

/** Mantine's own tints and greys lie a little below WCAG's 4.5:1; these lie above it in both schemes. */
export const cssVariables: CSSVariablesResolver = (given) => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': given.colors.gray[7],
    '--mantine-color-placeholder': given.colors.gray[6],
    '--mantine-color-anchor': given.colors.indigo[8],
    '--mantine-color-error': given.colors.red[9],
    '--mantine-color-body': '#fbfbfd',
    ...tints(given, 9),
    '--mantine-color-yellow-light-color': '#7a4b00',
    '--mantine-color-orange-light-color': '#8a3b00',
    '--mantine-color-green-light-color': '#1b6b2c',
    '--mantine-color-teal-light-color': '#04663f',
  },
  dark: {
    '--mantine-color-dimmed': given.colors.dark[1],
    '--mantine-color-placeholder': given.colors.dark[2],
    '--mantine-color-anchor': given.colors.indigo[3],
    '--mantine-color-error': given.colors.red[4],
    ...tints(given, 2),
  },
});
