import type { ConsoleReport } from './supervise/console-report.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

/** Waits until events flow from end to end, as the API says. Late is worth a word, not a failed start. */
export async function waitUntilReady(httpPort: number, report: ConsoleReport): Promise<void> {
  let lastAnswer = 'no answer';
  for (const startedAt = performance.now(); performance.now() - startedAt < READY_TIMEOUT_MS;) {
    try {
      const response = await fetch(`http://127.0.0.1:${httpPort}/health/ready`, { signal: AbortSignal.timeout(2_000) });
      lastAnswer = await response.text();
      if (response.status === 200) return;
    } catch (error) {
      lastAnswer = error instanceof Error ? error.message : String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  report.notice('api', `/health/ready does not say ready yet: ${lastAnswer.slice(0, 300)}`);
}
