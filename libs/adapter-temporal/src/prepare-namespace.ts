import { COMMAND_SEARCH_ATTRIBUTES } from '@breakwater/wire';
import { isGrpcServiceError } from '@temporalio/client';

const DAY_SECONDS = 86_400;
/** Codes of gRPC. */
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
/** Of Temporal's `IndexedValueType`. */
const KEYWORD = 2;

/** The little of a connection that preparing takes; the connections of clients and of workers both have it. */
export interface NamespaceServices {
  readonly workflowService: {
    describeNamespace(request: { namespace: string }): Promise<unknown>;
    registerNamespace(request: { namespace: string }): Promise<unknown>;
  };
  readonly operatorService: {
    listSearchAttributes(request: { namespace: string }): Promise<{ customAttributes: Record<string, number> }>;
    addSearchAttributes(request: {
      namespace: string;
      searchAttributes: Record<string, typeof KEYWORD>;
    }): Promise<unknown>;
  };
}

export interface NamespaceOptions {
  readonly namespace: string;
  /** How long closed workflows are kept, in a namespace that is made here. */
  readonly retentionDays: number;
}

/**
 * Sees to it that our namespace is there and knows the search attributes of commands, and adds what is missing. May be
 * done by several at once and again at any time: what is there stays as it is.
 *
 * @throws Error in words for an operator, with the command that does it, where this process may not do it
 */
export async function prepareNamespace(services: NamespaceServices, options: NamespaceOptions): Promise<void> {
  await prepareSpace(services, options);
  await prepareAttributes(services, options.namespace);
}

async function prepareSpace({ workflowService }: NamespaceServices, options: NamespaceOptions): Promise<void> {
  const { namespace, retentionDays } = options;
  try {
    await workflowService.describeNamespace({ namespace });
    return;
  } catch (error) {
    if (codeOf(error) !== NOT_FOUND) throw error;
  }
  try {
    const request = { namespace, workflowExecutionRetentionPeriod: { seconds: retentionDays * DAY_SECONDS } };
    await workflowService.registerNamespace(request);
  } catch (error) {
    if (codeOf(error) === ALREADY_EXISTS) return;
    const command = `temporal operator namespace create --namespace ${namespace} --retention ${retentionDays}d`;
    throw missing(`it has no namespace ${namespace}`, command, error);
  }
}

async function prepareAttributes({ operatorService }: NamespaceServices, namespace: string): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const names = Object.values(COMMAND_SEARCH_ATTRIBUTES);
  const absent = names.filter((name) => customAttributes[name] === undefined);
  const other = names.filter((name) => (customAttributes[name] ?? KEYWORD) !== KEYWORD);
  if (other.length > 0) {
    throw new Error(`its search attributes ${other.join(', ')} are not of type Keyword: use a namespace of our own`);
  }
  if (absent.length === 0) return;
  try {
    const searchAttributes = Object.fromEntries(absent.map((name) => [name, KEYWORD] as const));
    await operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    if (codeOf(error) === ALREADY_EXISTS) return;
    const flags = absent.map((name) => `--name ${name} --type Keyword`).join(' ');
    const command = `temporal operator search-attribute create --namespace ${namespace} ${flags}`;
    throw missing(`its namespace ${namespace} has no search attributes ${absent.join(', ')}`, command, error);
  }
}

function missing(what: string, command: string, cause: unknown): Error {
  const why = isGrpcServiceError(cause) ? cause.details : String(cause);
  return new Error(`${what}, and it cannot be made from here (${why}); run: ${command}`, { cause });
}

function codeOf(error: unknown): number | null {
  return isGrpcServiceError(error) ? Number(error.code) : null;
}
