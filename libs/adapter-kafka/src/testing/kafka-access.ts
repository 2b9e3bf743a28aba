import { pbkdf2Sync, randomBytes } from 'node:crypto';

import {
  AclPermissionTypes,
  AclOperations,
  Admin,
  type AclOperationLabel,
  alterUserScramCredentialsV0,
  ConnectionPool,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka';

export interface ScramUser {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

/** What a user may do with everything whose name begins with a prefix. */
export interface Grant {
  readonly resource: 'TOPIC' | 'GROUP';
  readonly prefix: string;
  readonly operations: readonly AclOperationLabel[];
}

const CLIENT_ID = 'access-under-test';
const SCRAM = {
  'SCRAM-SHA-256': { number: 1, hash: 'sha256', bytes: 32 },
  'SCRAM-SHA-512': { number: 2, hash: 'sha512', bytes: 64 },
} as const;
/** The least that brokers and clients take. */
const ITERATIONS = 4_096;
const SALT_BYTES = 16;

/** By somebody who may do so, over a listener that asks for nothing. */
export async function addScramUser(port: number, { mechanism, username, password }: ScramUser): Promise<void> {
  const { number, hash, bytes } = SCRAM[mechanism];
  const salt = randomBytes(SALT_BYTES);
  const saltedPassword = pbkdf2Sync(password, salt, ITERATIONS, bytes, hash);
  const pool = new ConnectionPool(CLIENT_ID);
  try {
    const connection = await pool.get({ host: '127.0.0.1', port });
    const user = { name: username, mechanism: number, iterations: ITERATIONS, salt, saltedPassword };
    await alterUserScramCredentialsV0.api.async(connection, [], [user]);
  } finally {
    await pool.close();
  }
}

/** Where brokers have an authorizer, nobody may do what is not allowed to him here. */
export async function allow(port: number, principal: string, grants: readonly Grant[]): Promise<void> {
  const admin = new Admin({ clientId: CLIENT_ID, bootstrapBrokers: [`127.0.0.1:${port}`] });
  try {
    await admin.createAcls({
      creations: grants.flatMap(({ resource, prefix, operations }) =>
        operations.map((operation) => ({
          resourceType: ResourceTypes[resource],
          resourceName: prefix,
          resourcePatternType: ResourcePatternTypes.PREFIXED,
          principal,
          host: '*',
          operation: AclOperations[operation],
          permissionType: AclPermissionTypes.ALLOW,
        })),
      ),
    });
  } finally {
    await admin.close();
  }
}
