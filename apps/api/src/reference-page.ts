import { readFile } from 'node:fs/promises';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { z } from 'zod';

import { convertSchema, registeredComponents } from './open-api-schema.ts';

const DESCRIPTION =
  'Twins, telemetry and operations of devices. Errors are `application/problem+json` (RFC 9457) with a `code` from ' +
  'the list of error codes. Times are Unix milliseconds. Lists answer `{items, nextCursor}`.';

/** OpenAPI 3.1 at /api/openapi.json and a page to read and try it at /api, with assets from this process only. */
export function serveReference(app: INestApplication): void {
  SwaggerModule.setup('api', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'api/openapi.json',
    yamlDocumentUrl: 'api/openapi.yaml',
    customSiteTitle: 'Breakwater API',
  });
}

function openApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Breakwater')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', description: 'The admin key or the API key of a tenant.' },
      'apiKey',
    )
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
    standardSchemaConverter: (schema, { schemaType }) => convertSchema(schema as z.ZodType, schemaType),
  });
  const components = document.components ?? {};
  return {
    ...document,
    components: { ...components, schemas: { ...registeredComponents(), ...components.schemas } as never },
  };
}

/** The text of docs/errors.md, which the `type` of a problem leads to; null where the documents are not installed. */
export async function readErrorPage(): Promise<string | null> {
  try {
    return await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  } catch {
    return null;
  }
}
