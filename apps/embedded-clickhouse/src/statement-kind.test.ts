import { describe, expect, it } from '@jest/globals';

import { preamble, requestParameters } from './request-parameters.ts';
import { expectsRows, formatOf, statementKind } from './statement-kind.ts';

describe('the kind of a statement', () => {
  it.each([
    ['SELECT 1', 'read'],
    ['  -- a comment\n /* another */ (select 1)', 'read'],
    ['# note\nWITH 1 AS x SELECT x', 'read'],
    ['show tables', 'read'],
    ['insert into t values', 'insert'],
    ['/* SELECT */ INSERT INTO t FORMAT CSV', 'insert'],
    ['CREATE TABLE t (a Int8)', 'command'],
    ['SET a = 1', 'command'],
    ['\u0000', 'empty'],
    ['-- only a comment', 'empty'],
    ['/* never closed', 'empty'],
    [' ;\n', 'empty'],
    ['é', 'command'],
  ])('%j is %s', (statement, kind) => expect(statementKind(statement)).toBe(kind));

  it('knows inserts that are to be followed by rows', () => {
    expect(expectsRows('INSERT INTO t FORMAT JSONEachRow\n')).toBe(true);
    expect(expectsRows('INSERT INTO t VALUES')).toBe(true);
    expect(expectsRows('INSERT INTO t SELECT 1')).toBe(false);
  });

  it('finds the format at the end', () => {
    expect(formatOf('SELECT 1 FORMAT JSON')).toBe('JSON');
    expect(formatOf('SELECT 1 format CSV SETTINGS max_threads = 1;')).toBe('CSV');
    expect(formatOf("SELECT 'FORMAT x'")).toBeNull();
  });
});

describe('the parameters of a request', () => {
  const read = (query: string) => requestParameters(new URLSearchParams(query), () => null);

  it('become statements in front of the statement, with every value quoted', () => {
    const request = read("database=d&max_threads=2&param_x=it's \\ \0&query=SELECT 1&wait_end_of_query=1");
    expect(preamble(request, [])).toBe("USE `d`; SET max_threads = '2'; SET param_x = 'it\\'s \\\\ \\0'; ");
  });

  it.each(['a b=1', 'x;y=1', 'database=a`b', 'query_id=%0A', 'default_format=a b', 'param_=%27;=1', '1x=2'])(
    'refuses %j',
    (query) => {
      if (query.startsWith('param_')) expect(preamble(read(query), [])).toMatch(/^SET param_ = '.*'; $/);
      else expect(() => read(query)).toThrow(/BAD_ARGUMENTS/);
    },
  );
});
