import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import type { ImagesSearch } from '@/pages/images/search';

/** The page's search parameters, and how to change some of them; typing does not fill the history. */
export function useImagesSearch(): [ImagesSearch, (change: ImagesSearch) => void] {
  const search = useSearch({ from: '/inside/storage/images' });
  const go = useNavigate();
  const change = useCallback(
    (wanted: ImagesSearch) => {
      void go({
        to: '/storage/images',
        search: (now) => {
          const next = { ...(now as ImagesSearch), ...wanted };
          return Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined && value !== '' && value !== false));
        },
        replace: wanted.tab === undefined && wanted.dialog === undefined,
        resetScroll: false,
      });
    },
    [go],
  );
  return [search, change];
}
