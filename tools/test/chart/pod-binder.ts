import type { KubernetesApi } from './kubernetes-api.ts';

interface Pod {
  readonly metadata: { readonly name: string; readonly namespace: string };
}

const PAUSE_MS = 100;
const WAITING = '/api/v1/pods?fieldSelector=spec.nodeName%3D,status.phase%3DPending';

/** Stands for the scheduler: each pod that has no node gets the next one. */
export class PodBinder {
  readonly #api: KubernetesApi;
  #isStopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  start(nodes: readonly string[]): void {
    this.#loop = this.#run(nodes);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
  }

  async #run(nodes: readonly string[]): Promise<void> {
    let next = 0;
    while (!this.#isStopped) {
      const pods = await this.#api.list<Pod>(WAITING).catch(() => []);
      for (const { metadata } of pods) {
        const node = nodes[next++ % nodes.length] ?? '';
        await this.#bind(metadata, node);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #bind({ name, namespace }: Pod['metadata'], node: string): Promise<void> {
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    // It is gone again, or has its node already, or the server is busy: the next turn will show.
    await this.#api.create(`/api/v1/namespaces/${namespace}/pods/${name}/binding`, binding).catch(() => undefined);
  }
}
