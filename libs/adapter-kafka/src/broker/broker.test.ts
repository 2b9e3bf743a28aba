import { describe, expect, it } from '@jest/globals';

import { brokerCommand, formatCommand } from './broker-command.ts';
import { brokerProperties } from './broker-properties.ts';

const node = (nodeId: number) => ({ nodeId, brokerPort: 9000 + nodeId, controllerPort: 9100 + nodeId });

describe('brokerProperties', () => {
  const linesOf = (text: string): Map<string, string> =>
    new Map(text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

  it('listens on loopback alone, and elects no leader that lacks records', () => {
    const lines = linesOf(brokerProperties({ ...node(1), nodes: [node(1)], dataDir: '/data', minInsyncReplicas: 1 }));
    expect(lines.get('listeners')).toBe('PLAINTEXT://127.0.0.1:9001,CONTROLLER://127.0.0.1:9101');
    expect(lines.get('unclean.leader.election.enable')).toBe('false');
    expect(lines.get('auto.create.topics.enable')).toBe('false');
    expect(lines.get('offsets.topic.replication.factor')).toBe('1');
  });

  it('names all nodes as voters, and replicates to all of them', () => {
    const nodes = [node(1), node(2), node(3)];
    const lines = linesOf(brokerProperties({ ...node(2), nodes, dataDir: '/data', minInsyncReplicas: 2 }));
    expect(lines.get('controller.quorum.voters')).toBe('1@127.0.0.1:9101,2@127.0.0.1:9102,3@127.0.0.1:9103');
    expect(lines.get('node.id')).toBe('2');
    expect(lines.get('offsets.topic.replication.factor')).toBe('3');
    expect(lines.get('min.insync.replicas')).toBe('2');
  });

  it('lets its own lines be replaced', () => {
    const extra = { 'min.insync.replicas': 7, 'log.retention.ms': 1 };
    const lines = linesOf(
      brokerProperties({ ...node(1), nodes: [node(1)], dataDir: '/data', minInsyncReplicas: 1, extra }),
    );
    expect([lines.get('min.insync.replicas'), lines.get('log.retention.ms')]).toEqual(['7', '1']);
  });
});

describe('the commands of a broker', () => {
  const options = { java: 'java', jarsFolder: '/jars', propertiesFile: '/server.properties', heapMb: 256 };

  it('run Kafka with its jars and a heap of the given size', () => {
    const { program, args } = brokerCommand({ ...options, javaOptions: ['-Dx=y'] });
    expect(program).toBe('java');
    expect(args).toContain('-Xmx256m');
    expect(args.slice(-5)).toEqual(['-Dx=y', '-cp', '/jars/*', 'kafka.Kafka', '/server.properties']);
  });

  it('prepare a data folder once', () => {
    const { args } = formatCommand(options, 'the-cluster');
    expect(args.join(' ')).toMatch(/StorageTool format --ignore-formatted --cluster-id=the-cluster --config \/server/);
  });
});
