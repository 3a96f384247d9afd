import { IconShieldCheck, IconShieldQuestion } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { tip } from '@/components/Tips';
import { TrustLevel } from '@/gen/limiquantix/storage/v1/trust_pb';
import { text } from '@/text/en';

interface Props {
  level: TrustLevel | undefined;
  /** Whether bytes were compared already; else it is what a download will prove at best. */
  verified: boolean;
}

/** Verified is said of what is verified, and how, and of nothing else. */
export function TrustBadge({ level = TrustLevel.UNSPECIFIED, verified }: Props): ReactNode {
  const proved = verified && level >= TrustLevel.CHECKSUM;
  const how = text.trust.how[level] ?? '';
  const label = proved ? `${text.trust.verified}: ${text.trust.level[level]?.toLowerCase()}` : verified ? text.trust.none : text.trust.level[level];
  const Icon = proved ? IconShieldCheck : IconShieldQuestion;
  return (
    <span className="trust" tabIndex={0} data-proved={proved || undefined} data-unproved={(verified && !proved) || undefined} {...tip(verified ? how : `${text.trust.promise} ${how}`)}>
      <Icon size={14} aria-hidden />
      {label}
    </span>
  );
}
