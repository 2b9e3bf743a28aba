import { createLogger, runProcess } from '@breakwater/observability';

/** A part that does nothing, for the tests of how a process ends. */
const logger = createLogger('fake', 'info');
const timer = setInterval(() => logger.info('busy'), 5);
await runProcess(logger, () =>
  Promise.resolve({
    ports: {},
    stop: () => {
      clearInterval(timer);
      return Promise.resolve();
    },
  }),
);
