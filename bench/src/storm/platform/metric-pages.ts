import type { Installation } from '../../installation.ts';

/** The metrics page of each part that has one. A part that does not answer is left out. */
export async function readMetricPages(installation: Installation): Promise<ReadonlyMap<string, string>> {
  const pages = new Map<string, string>();
  await Promise.all(
    [...(await installation.parts())].map(async ([name, { ports }]) => {
      const port = ports['metrics'];
      if (port === undefined) return;
      try {
        pages.set(name, await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
      } catch {
        // It is being restarted, or was stopped on purpose: the others still say something.
      }
    }),
  );
  return pages;
}

/** The sum of a counter or gauge over all pages, of the series whose labels contain `label`. */
export function sumOfMetric(pages: Iterable<string>, name: string, label = ''): number {
  const pattern = new RegExp(`^${name}(?:\\{([^}]*)\\})?\\s+(\\S+)`, 'gm');
  let sum = 0;
  for (const page of pages) {
    for (const [, labels = '', value] of page.matchAll(pattern)) if (labels.includes(label)) sum += Number(value);
  }
  return sum;
}
