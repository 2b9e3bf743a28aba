import { askApi } from '../installation/api-client.ts';
import type { Installation } from '../installation/find-installation.ts';
import { dim, tableOf, type Terminal } from '../terminal.ts';

export interface DeadLettersOptions {
  readonly limit: number;
  readonly device?: string;
  readonly json?: boolean;
}

interface DeadLetterPage {
  readonly items: readonly {
    readonly receivedAt: number;
    readonly device: string;
    readonly code: string;
    readonly detail: string;
    readonly topic: string;
    readonly sender: string;
  }[];
  readonly nextCursor: string | null;
}

/** Answers the exit code. */
export async function deadLettersCommand(
  installation: Installation,
  { limit, device, json }: DeadLettersOptions,
  terminal: Terminal,
): Promise<number> {
  const query = new URLSearchParams({ limit: String(limit), ...(device === undefined ? {} : { device }) });
  const page = (await askApi(installation, `/api/v1/dead-letters?${query.toString()}`)) as DeadLetterPage;
  if (json === true) {
    terminal.json(page);
    return 0;
  }
  if (page.items.length === 0) {
    terminal.line('There are no dead letters.');
    return 0;
  }
  const rows = page.items.map(({ receivedAt, device: id, code, detail, topic, sender }) => [
    ...[new Date(receivedAt).toISOString(), id, code, detail, topic, sender],
  ]);
  terminal.line(tableOf(['received', 'device', 'code', 'why', 'topic', 'sender'], rows));
  if (page.nextCursor !== null) terminal.line(dim(`There are more: --limit, or GET /api/v1/dead-letters.`));
  return 0;
}
