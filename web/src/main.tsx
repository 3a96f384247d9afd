import '@fontsource-variable/inter/wght.css';
import '@mantine/core/styles.css';
import '@/theme/app.css';
import { TransportProvider } from '@connectrpc/connect-query';
import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { newQueryClient, serverTransport } from '@/api/transport';
import { Toasts } from '@/components/Toasts';
import { router } from '@/routes';
import { shareNonce, styleNonce } from '@/theme/nonce';
import { cssVariables, theme } from '@/theme/theme';

shareNonce();
const root = document.getElementById('root');
if (!root) throw new Error('The page has no root.');
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <TransportProvider transport={serverTransport}>
        <QueryClientProvider client={newQueryClient()}>
          <Toasts />
          <RouterProvider router={router} />
        </QueryClientProvider>
      </TransportProvider>
    </MantineProvider>
  </StrictMode>,
);
