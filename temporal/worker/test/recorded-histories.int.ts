import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { createLogger } from '@breakwater/observability';
import { describe, expect, it } from '@jest/globals';
import { temporal } from '@temporalio/proto';
import { Worker, type WorkflowBundle } from '@temporalio/worker';

import { installSdkLogger } from '../src/sdk-logger.ts';
import { workflowBundle } from '../src/workflow-bundle.ts';

const TEST_TIMEOUT_MS = 180_000;
const HISTORIES = fileURLToPath(new URL('../../histories/', import.meta.url));
const files = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

/**
 * A workflow that runs while the code changes is replayed from its history on the new code. Where the new code would do
 * something else than what is recorded, such a workflow hangs for good.
 */
describe('histories that were recorded', () => {
  const sdkLogger = installSdkLogger(createLogger('temporal-worker', 'silent'));
  let bundle: WorkflowBundle | null = null;

  it('are there', () => {
    expect(files).toEqual(expect.arrayContaining(['succeeded.json', 'canceled.json', 'resent.json', 'refused.json']));
  });

  it.each(files)(
    '%s replays on the code of today',
    async (file) => {
      bundle ??= await workflowBundle(sdkLogger);
      // The SDK reads JSON only where all its packages share one protobufjs, which npm does not promise.
      const json = JSON.parse(readFileSync(`${HISTORIES}${file}`, 'utf8')) as Record<string, unknown>;
      const history = temporal.api.history.v1.History.fromObject(json);
      await Worker.runReplayHistory({ workflowBundle: bundle, replayName: file }, history);
    },
    TEST_TIMEOUT_MS,
  );
});
