import { condition, defineSignal, setHandler } from '@temporalio/workflow';

export const finish = defineSignal('finish');

/** The least that a workflow with one signal can be: what Temporal itself costs. */
export async function emptyWorkflow(): Promise<void> {
  let isFinished = false;
  setHandler(finish, () => {
    isFinished = true;
  });
  await condition(() => isFinished);
}
