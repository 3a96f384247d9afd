import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SysprepConfigSchema } from '@/gen/limiquantix/compute/v1/vm_pb';
import { OsInfo_OsFamily as Family, OsInfo_ProvisioningMethod as Method } from '@/gen/limiquantix/storage/v1/image_pb';
import type { AvailableImage } from '@/hooks/useImages';
import { wizardText as words } from '@/text/wizard';

/** What Windows Setup is told. */
export interface WindowsDraft {
  administratorPassword: string;
  productKey: string;
  domain: string;
  domainUser: string;
  domainPassword: string;
  organizationalUnit: string;
  locale: string;
  timezone: string;
  /** A command on each line. */
  firstLogonCommands: string;
}

export const NO_ANSWERS: WindowsDraft = {
  administratorPassword: '', productKey: '', domain: '', domainUser: '', domainPassword: '', organizationalUnit: '', locale: '', timezone: '', firstLogonCommands: '',
};

/** How an image is told what it is: Windows Setup by an answer file, everything else in cloud-init's way. */
export type Told = 'answers' | 'cloudbase' | 'cloud-init';

export function toldBy(image: AvailableImage | undefined): Told {
  if (image?.os?.provisioningMethod === Method.SYSPREP) return 'answers';
  return image?.os?.family === Family.WINDOWS ? 'cloudbase' : 'cloud-init';
}

const KEY = /^[A-Z0-9]{5}(-[A-Z0-9]{5}){4}$/i;
const LOCALE = /^[a-z]{2,3}(-[A-Za-z]{4})?-[A-Z]{2}$/;

type Troubles = Partial<Record<keyof WindowsDraft, string>>;

/** What is wrong, by field; the server judges it once more. */
export function answerTroubles(said: WindowsDraft): Troubles {
  const troubles: Troubles = {};
  if (said.productKey.trim() && !KEY.test(said.productKey.trim())) troubles.productKey = words.windows.productKeyWrong;
  if (said.locale.trim() && !LOCALE.test(said.locale.trim())) troubles.locale = words.windows.localeWrong;
  if (said.domain.trim() && !said.domainUser.trim()) troubles.domainUser = words.windows.domainNeeds;
  if (said.domain.trim() && !said.domainPassword) troubles.domainPassword = words.windows.domainNeeds;
  if (said.firstLogonCommands.trim() && !said.administratorPassword) troubles.administratorPassword = words.windows.commandsNeed;
  return troubles;
}

/** What of an answer file the request says. */
export function sysprepOf(said: WindowsDraft, hostname: string): MessageInitShape<typeof SysprepConfigSchema> {
  const joins = said.domain.trim() !== '';
  return {
    hostname,
    administratorPassword: said.administratorPassword,
    productKey: said.productKey.trim(),
    domain: said.domain.trim(),
    domainUser: joins ? said.domainUser.trim() : '',
    domainPassword: joins ? said.domainPassword : '',
    organizationalUnit: joins ? said.organizationalUnit.trim() : '',
    locale: said.locale.trim(),
    timezone: said.timezone.trim(),
    firstLogonCommands: said.firstLogonCommands.split('\n').map((line) => line.trim()).filter(Boolean),
  };
}
