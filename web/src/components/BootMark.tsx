import { IconPower } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { tip } from '@/components/Tips';
import type { ImageStatus } from '@/gen/limiquantix/storage/v1/image_pb';
import { text } from '@/text/en';

/** Says that an image boots where that was proved of these very bytes, that it failed where it did, and else nothing. */
export function BootMark({ status }: { status: ImageStatus | undefined }): ReactNode {
  const failed = status?.bootProof?.outcome === 'failed';
  if (!status?.boots && !failed) return null;
  return (
    <span className="trust" tabIndex={0} data-proved={status.boots || undefined} data-unproved={failed || undefined} {...tip(status.boots ? text.trust.bootsHow : text.trust.bootsNot)}>
      <IconPower size={14} aria-hidden />
      {status.boots ? text.trust.boots : text.trust.bootFailed}
    </span>
  );
}
