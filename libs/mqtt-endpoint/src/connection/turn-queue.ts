/** The one method of a connection that is called from here. */
export interface TurnTaker {
  takeTurn(): void;
}

/**
 * Connections that had their share of this turn of the event loop and have more to be read. The next turn begins after
 * all other sockets had theirs, so a device that sends at full speed costs its neighbours one share each time.
 */
export class TurnQueue {
  #waiting: TurnTaker[] = [];

  add(connection: TurnTaker): void {
    this.#waiting.push(connection);
    if (this.#waiting.length === 1) setImmediate(() => this.#run());
  }

  #run(): void {
    const due = this.#waiting;
    this.#waiting = [];
    for (const connection of due) connection.takeTurn();
  }
}
