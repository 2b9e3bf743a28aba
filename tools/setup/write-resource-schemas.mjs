// Makes a JSON schema, for kubeconform, of each version of each CustomResourceDefinition in <folder>/crds: an object
// that names its fields takes no others, so that a misspelt field is found, as by an API server that is strict.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

const [folder] = process.argv.slice(2);
for (const file of readdirSync(join(folder, 'crds'))) {
  const { spec } = parse(readFileSync(join(folder, 'crds', file), 'utf8'));
  for (const { name, schema } of spec.versions) {
    const target = join(folder, 'resources', spec.group);
    mkdirSync(target, { recursive: true });
    const file = join(target, `${spec.names.kind.toLowerCase()}_${name}.json`);
    writeFileSync(file, JSON.stringify(strict(schema.openAPIV3Schema)));
  }
}

function strict(schema) {
  if (Array.isArray(schema)) return schema.map(strict);
  if (schema === null || typeof schema !== 'object') return schema;
  if (schema['x-kubernetes-int-or-string'] === true) {
    return { anyOf: [{ type: 'integer' }, { type: 'string' }] };
  }
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in schema;
  const namesFields = schema.type === 'object' && 'properties' in schema;
  // A resource's metadata is described by Kubernetes, not by the definition.
  return namesFields && !isOpen ? { ...copy, additionalProperties: false } : copy;
}
