import { z } from 'zod';

type JsonSchema = Record<string, unknown>;

/** Named schemas that routes refer to; they become the document's components. */
const components = new Map<string, JsonSchema>();

/**
 * The JSON Schema 2020-12 (so OpenAPI 3.1) of a zod schema. One with an `id` becomes a component, and a reference to
 * it.
 */
export function convertSchema(
  schema: z.ZodType,
  io: 'input' | 'output',
): { schema: JsonSchema; components: JsonSchema } {
  const converted = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema, zodSchema }) => applyWireForm(jsonSchema as JsonSchema, zodSchema),
  }) as JsonSchema;
  const { $schema: _dialect, $defs: definitions, id, ...own } = converted;
  const named = (definitions ?? {}) as JsonSchema;
  for (const definition of Object.values(named)) {
    if (typeof definition === 'object' && definition !== null) delete (definition as JsonSchema).id;
  }
  if (typeof id !== 'string') return { schema: own, components: named };
  return { schema: { $ref: `#/$defs/${id}` }, components: { ...named, [id]: own } };
}

/** For places where Nest takes no zod schema: a reference whose component `registeredComponents` hands over later. */
export function openApiSchema(schema: z.ZodType): JsonSchema {
  const converted = convertSchema(schema, 'output');
  for (const [name, definition] of Object.entries(converted.components)) {
    components.set(name, withComponentReferences(definition) as JsonSchema);
  }
  return withComponentReferences(converted.schema) as JsonSchema;
}

export function registeredComponents(): JsonSchema {
  return Object.fromEntries(components);
}

/** What stands in a query string is text; the document says what the text means. */
function applyWireForm(jsonSchema: JsonSchema, zodSchema: z.core.$ZodType): void {
  const wire = (z.globalRegistry.get(zodSchema) as { wire?: JsonSchema } | undefined)?.wire;
  if (wire === undefined) return;
  const { description } = jsonSchema;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  Object.assign(jsonSchema, wire, description === undefined ? {} : { description });
}

function withComponentReferences(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withComponentReferences);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === '$ref' && typeof part === 'string'
        ? part.replace('#/$defs/', '#/components/schemas/')
        : withComponentReferences(part),
    ]),
  );
}
