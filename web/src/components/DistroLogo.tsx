import { type ReactNode, Suspense } from 'react';
import { later } from '@/components/later';

// Paths weigh more than a page's own code, and nobody waits for them: their place is kept.
const DistroMark = later(() => import('@/components/DistroMark'));

/** The distribution's own mark; a plain server where it has none here. */
export function DistroLogo({ distribution, size = 36 }: { distribution: string; size?: number }): ReactNode {
  return (
    <Suspense fallback={<svg width={size} height={size} aria-hidden style={{ flexShrink: 0 }} />}>
      <DistroMark distribution={distribution} size={size} />
    </Suspense>
  );
}
