/** The words of the page of profiles: no part of what is loaded first. */
export const profilesText = {
  title: 'Profiles',
  intro: 'What several VMs are told alike on their first boot.',
  make: 'New profile',
  change: 'Change',
  changeName: (name: string) => `Change ${name}`,
  show: (name: string) => `Show ${name}`,
  deleteName: (name: string) => `Delete ${name}`,
  deleteWarning: 'VMs that were made of it keep what they were told.',
  empty: 'No profiles yet',
  emptyHint: 'A profile holds packages, users, files and commands once, with parameters for what differs from VM to VM.',
  columns: { name: 'Name', description: 'Description', parameters: 'Parameters', rule: 'Own user data', revision: 'Revision', age: 'Changed' },
  rule: ['comes after', 'takes its place', 'is refused', 'comes after'],
  noParameters: 'none',
  parameters: 'Parameters',
  parameter: { name: 'Name', type: 'Type', value: 'Value', description: 'Description' },
  required: 'required',
  default: (value: string) => `default ${value}`,
  oneOf: (values: string) => `one of ${values}`,
  form: (pattern: string) => `in the form ${pattern}`,
  document: 'The profile as YAML',
  documentHint: 'The fields are those of the file that “limiquantix profiles create” takes. “${param.NAME}” stands where a parameter’s value goes.',
  revision: (number: number) => `Revision ${number}`,
  problemAt: (line: number, message: string) => `Line ${line}: ${message}`,
  hidden: 'Where “(hidden)” stands is the hash of a password: type it again, it cannot be shown.',
  save: 'Save',
  replaces: 'It takes the place of the one that is there, as its next revision. VMs stay as they are.',
  noProfile: 'It has to be a mapping with a name.',
  ruleWrong: (rules: string) => `user_data_rule is one of ${rules}.`,
  parametersWrong: 'parameters is a list of mappings.',
  typeWrong: (types: string) => `A parameter’s type is one of ${types}.`,
  example: `name: web
description: Web servers
parameters:
  - name: site
    required: true
    allowed: [lab, prod]
  - name: password
    type: secret
provisioning:
  hostname: web.\${param.site}.example.org
  packages: [nginx]
  users:
    - password: \${param.password}
`,
};
