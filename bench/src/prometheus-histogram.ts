/** A histogram read from a Prometheus page: cumulative counts by upper edge. Pages of several processes add up. */
export class PrometheusHistogram {
  readonly #counts = new Map<number, number>();

  /** Adds the series of `name` on a page; `sign` -1 takes an earlier page away again. */
  add(page: string, name: string, sign: 1 | -1 = 1): void {
    const pattern = new RegExp(`^${name}_bucket\\{[^}]*le="([^"]+)"[^}]*\\}\\s+(\\S+)`, 'gm');
    for (const [, edge, count] of page.matchAll(pattern)) {
      const upper = edge === '+Inf' ? Infinity : Number(edge);
      this.#counts.set(upper, (this.#counts.get(upper) ?? 0) + sign * Number(count));
    }
  }

  get count(): number {
    return this.#counts.get(Infinity) ?? 0;
  }

  /** By linear interpolation within the bucket, as Prometheus' own histogram_quantile does; 0 when empty. */
  quantile(share: number): number {
    const edges = [...this.#counts.keys()].sort((left, right) => left - right);
    const wanted = this.count * share;
    let lowerEdge = 0;
    let lowerCount = 0;
    for (const edge of edges) {
      const count = this.#counts.get(edge) ?? 0;
      if (count >= wanted && count > 0) {
        if (edge === Infinity) return lowerEdge;
        const width = count - lowerCount;
        return width === 0 ? edge : lowerEdge + ((edge - lowerEdge) * (wanted - lowerCount)) / width;
      }
      lowerEdge = edge;
      lowerCount = count;
    }
    return 0;
  }
}
