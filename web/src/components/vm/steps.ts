export const STEPS = ['image', 'machine', 'network', 'boot', 'review'] as const;

export type Step = (typeof STEPS)[number];

// Words in the names of the request's fields, as errors and findings give them, and the step that asks for them.
const WORDS: readonly (readonly [RegExp, Step])[] = [
  [/nics|vlans|bonds|routes|addresses|dns|search_domains|network/, 'network'],
  [/^(secret_)?parameters|profile|sysprep|domain|product_key|administrator|locale|time_?zone|first_logon|user|ssh|packages|host_?name|password|cloud_init|datasource|vendor_data|provisioning/, 'boot'],
  [/disks\.image|^image/, 'image'],
  [/cpu|cores|memory|disk|size_gib|node|name|count|firmware|tpm|devices|driver_iso/, 'machine'],
];

/** Where a field is asked for; undefined where nothing here asks for it. */
export function stepOf(field: string): Step | undefined {
  return field ? WORDS.find(([words]) => words.test(field))?.[1] : undefined;
}
