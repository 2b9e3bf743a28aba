import type { JsonObject } from '@breakwater/twin';

/** The document calls the device `id`; in GraphQL that name is for ids of nodes. */
export function twinNode(document: JsonObject): JsonObject {
  return { ...document, deviceId: document['id'] ?? '' };
}
