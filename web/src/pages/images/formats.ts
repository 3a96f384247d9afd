import { imageText } from '@/text/image';

/** What an image can be made into. */
export const FORMATS = ['qcow2', 'raw', 'vmdk', 'vhd', 'vhdx', 'vdi'] as const;

/** How a qcow2 can be compressed inside. */
export const COMPRESSIONS = [
  { value: '', label: imageText.converting.plain },
  { value: 'zstd', label: imageText.converting.zstd },
];
