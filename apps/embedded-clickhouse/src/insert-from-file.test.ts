import { describe, expect, it } from '@jest/globals';

import { insertFromFile } from './insert-from-file.ts';

const FROM = "FROM INFILE '/x' COMPRESSION 'none'";

describe('an insert whose rows stand in a file', () => {
  it.each([
    ['INSERT INTO t FORMAT JSONEachRow', `INSERT INTO t ${FROM} FORMAT JSONEachRow`],
    ['insert into d.t (a, `b c`)\nformat CSV\n', `insert into d.t (a, \`b c\`) ${FROM} format CSV`],
    ['INSERT INTO TABLE `d`.`t` FORMAT RowBinary;', `INSERT INTO TABLE \`d\`.\`t\` ${FROM} FORMAT RowBinary`],
  ])('%j', (insert, expected) => expect(insertFromFile(insert, '/x')).toBe(expected));

  it.each([
    'INSERT INTO t VALUES',
    'INSERT INTO t SELECT 1 FORMAT JSONEachRow',
    'INSERT INTO t SETTINGS async_insert = 1 FORMAT JSONEachRow',
    "INSERT INTO FUNCTION null('a Int8') FORMAT CSV",
    "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
    'INSERT INTO t FORMAT JSONEachRow {"a":1}',
    'INSERT INTO t; DROP TABLE t FORMAT CSV',
    '',
  ])('leaves %j as it is', (insert) => expect(insertFromFile(insert, '/x')).toBeNull());
});
