import { CliFailure } from '../cli-failure.ts';
import type { Installation } from './find-installation.ts';

const TIMEOUT_MS = 30_000;

/** GET of the API. @throws CliFailure with the API's own code, or API_UNREACHABLE. */
export async function askApi(
  { apiUrl, apiKey }: Pick<Installation, 'apiUrl' | 'apiKey'>,
  path: string,
): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${apiUrl}${path}`, {
      headers: { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new CliFailure('API_UNREACHABLE', `no API answers at ${apiUrl}: is it running there?`, { cause });
  }
  const body = (await response.json().catch(() => null)) as { readonly code?: string; readonly detail?: string } | null;
  if (response.ok) return body;
  const hint = response.status === 401 ? ' (give a key with --key or ADMIN_API_KEY)' : '';
  throw new CliFailure(body?.code ?? `HTTP_${response.status}`, `${body?.detail ?? 'the API refused'}${hint}`);
}
