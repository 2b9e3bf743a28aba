/**
 * What Node is told for the programs that it runs badly without, beside the limit of the heap. `npm start`, the
 * benchmarks, docker-compose.yml and the chart start them so; a test compares the latter two with this.
 */
export const NODE_ARGUMENTS = {
  gateway: [
    // What sockets are read into counts as old memory. V8 begins with a limit of some 60 MB on top of what is alive,
    // and at tens of thousands of messages a second that is a full collection every second.
    '--initial-old-space-size=256',
    // By itself V8 gives what is new two halves of 64 MB, and both count towards what the process may hold.
    '--max-semi-space-size=16',
    // Several threads that collect what is new cost more on a full machine than they gain, and what has become old is
    // marked less often when it may grow further meanwhile (docs/performance.md).
    '--no-parallel-scavenge',
    '--heap-growing-percent=60',
  ],
  // A heap that may be so large at first is not marked again and again on the way there (docs/performance.md).
  'twin-worker': ['--initial-heap-size=320'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
