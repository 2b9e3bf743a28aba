import { COMMAND_SEARCH_ATTRIBUTES } from '@breakwater/wire';
import { describe, expect, it } from '@jest/globals';
import { ServiceError } from '@temporalio/client';

import { prepareNamespace, type NamespaceServices } from './prepare-namespace.ts';

const NAMES = Object.values(COMMAND_SEARCH_ATTRIBUTES);
const KEYWORD = 2;
const TEXT = 1;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const PERMISSION_DENIED = 7;
const OPTIONS = { namespace: 'ours', retentionDays: 30 };

function grpcError(code: number, details: string): Error {
  return Object.assign(new Error(details), { code, details, metadata: {} });
}

/** A Temporal whose namespaces and attributes are given, and that may allow nothing to be made. */
class FakeTemporal {
  readonly made: string[] = [];
  hasNamespace = true;
  attributes: Record<string, number> = Object.fromEntries(NAMES.map((name) => [name, KEYWORD]));
  answer: Error | null = null;

  get services(): NamespaceServices {
    const make = async (what: string): Promise<object> => {
      if (this.answer !== null) throw this.answer;
      this.made.push(what);
      return {};
    };
    return {
      workflowService: {
        describeNamespace: async () => {
          if (!this.hasNamespace) throw grpcError(NOT_FOUND, 'no such namespace');
          return {};
        },
        registerNamespace: async ({ namespace }: { namespace: string }) => make(namespace),
      },
      operatorService: {
        listSearchAttributes: async () => ({ customAttributes: this.attributes }),
        addSearchAttributes: async ({ searchAttributes }: { searchAttributes: object }) =>
          make(Object.keys(searchAttributes).join(' ')),
      },
    } as unknown as NamespaceServices;
  }
}

describe('a namespace that commands can run in', () => {
  it('stays as it is when everything is there', async () => {
    const temporal = new FakeTemporal();
    await prepareNamespace(temporal.services, OPTIONS);
    expect(temporal.made).toEqual([]);
  });

  it('is made, with the attributes that are missing only', async () => {
    const temporal = new FakeTemporal();
    temporal.hasNamespace = false;
    const { TenantId: _one, ...others } = temporal.attributes;
    temporal.attributes = others;
    await prepareNamespace(temporal.services, OPTIONS);
    expect(temporal.made).toEqual(['ours', 'TenantId']);
  });

  it('may be made by another at the same time', async () => {
    const temporal = new FakeTemporal();
    temporal.hasNamespace = false;
    temporal.attributes = {};
    temporal.answer = grpcError(ALREADY_EXISTS, 'it is there');
    await expect(prepareNamespace(temporal.services, OPTIONS)).resolves.toBeUndefined();
  });

  it('is asked for in words, with the command to run, where it may not be made', async () => {
    const temporal = new FakeTemporal();
    temporal.hasNamespace = false;
    temporal.answer = grpcError(PERMISSION_DENIED, 'not for you');
    await expect(prepareNamespace(temporal.services, OPTIONS)).rejects.toThrow(
      'it has no namespace ours, and it cannot be made from here (not for you); run: ' +
        'temporal operator namespace create --namespace ours --retention 30d',
    );
    temporal.hasNamespace = true;
    temporal.attributes = {};
    await expect(prepareNamespace(temporal.services, OPTIONS)).rejects.toThrow(
      /has no search attributes TenantId, .*; run: temporal operator search-attribute create --namespace ours --name/,
    );
  });

  it('is refused when an attribute is of another type', async () => {
    const temporal = new FakeTemporal();
    temporal.attributes = { ...temporal.attributes, DeviceId: TEXT };
    await expect(prepareNamespace(temporal.services, OPTIONS)).rejects.toThrow(/DeviceId are not of type Keyword/);
  });

  it('hands on every other trouble', async () => {
    const temporal = new FakeTemporal();
    const services = {
      ...temporal.services,
      workflowService: { describeNamespace: () => Promise.reject(new ServiceError('away')) },
    } as unknown as NamespaceServices;
    await expect(prepareNamespace(services, OPTIONS)).rejects.toThrow('away');
  });
});
