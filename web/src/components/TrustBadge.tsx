import { IconShieldCheck, IconShieldQuestion } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { tip } from '@/components/Tips';
import { type TrustEvidence, TrustLevel } from '@/gen/limiquantix/storage/v1/trust_pb';
import { text } from '@/text/en';

interface Props {
  level: TrustLevel | undefined;
  /** Whether bytes were compared already; else it is what a download will prove at best. */
  verified: boolean;
  /** Who signed, where that is known: of what is here, or of what a download will ask for. */
  evidence?: (Pick<TrustEvidence, 'keyOwner' | 'keyFingerprint'> & Partial<Pick<TrustEvidence, 'source'>>) | undefined;
}

/** Verified is said of what is verified, and how, and of nothing else. */
export function TrustBadge({ level = TrustLevel.UNSPECIFIED, verified, evidence }: Props): ReactNode {
  const proved = verified && level >= TrustLevel.CHECKSUM;
  const how = provedHow(level, evidence);
  const label = proved ? `${text.trust.verified}: ${text.trust.level[level]?.toLowerCase()}` : verified ? text.trust.none : text.trust.level[level];
  const Icon = proved ? IconShieldCheck : IconShieldQuestion;
  return (
    <span className="trust" tabIndex={0} data-proved={proved || undefined} data-unproved={(verified && !proved) || undefined} {...tip(verified ? how : `${text.trust.promise} ${how}`)}>
      <Icon size={14} aria-hidden />
      {label}
    </span>
  );
}

/** How the level is proved; of a digest that came with the bytes themselves, that it did. */
export function provedBy(level: TrustLevel, source: string): string {
  const given = level === TrustLevel.CHECKSUM && (source === 'import' || source === 'upload');
  return given ? text.trust.given : text.trust.how[level] ?? '';
}

/** How the level is proved, and by whose key where one signed. */
export function provedHow(level: TrustLevel, evidence: Props['evidence']): string {
  const how = provedBy(level, evidence?.source ?? '');
  if (level !== TrustLevel.SIGNED || !evidence?.keyFingerprint) return how;
  return `${how} ${text.trust.signedBy(evidence.keyOwner, inGroups(evidence.keyFingerprint))}`;
}

/** A fingerprint in groups of four digits, as publishers print theirs. */
export function inGroups(fingerprint: string): string {
  return fingerprint.match(/.{1,4}/g)?.join(' ') ?? '';
}
