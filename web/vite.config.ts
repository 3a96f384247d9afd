import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// In development the pages come from Vite and everything else from a server that runs here.
const server = process.env.LIMIQUANTIX_SERVER ?? 'http://127.0.0.1:8006';
const doors = ['/limiquantix.', '/uploads/', '/session', '/images/'];

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // Nothing is inlined: the server's policy lets a page load files only.
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: {
    proxy: Object.fromEntries(doors.map((door) => [door, { target: server, changeOrigin: false }])),
  },
});
