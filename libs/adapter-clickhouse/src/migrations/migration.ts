/**
 * One step of the schema, forward only. `{database}` stands for the name of the database. A statement must be
 * repeatable (`IF NOT EXISTS`): ClickHouse has no transaction around them, so a step that was cut off is run again.
 */
export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}
