import { Scalar, type CustomScalar } from '@nestjs/graphql';
import { Kind, type ValueNode } from 'graphql';

import { invalid } from './graphql-arguments.ts';

/** What a patch written into the query itself may nest; the twin's own limit is lower. */
const LITERAL_DEPTH_MAX = 32;

@Scalar('JSON')
export class JsonScalar implements CustomScalar<unknown, unknown> {
  readonly description = 'Any JSON value.';

  parseValue(value: unknown): unknown {
    return value;
  }

  serialize(value: unknown): unknown {
    return value;
  }

  parseLiteral(node: ValueNode, variables?: Record<string, unknown> | null): unknown {
    return valueOf(node, variables ?? {}, LITERAL_DEPTH_MAX);
  }
}

function valueOf(node: ValueNode, variables: Record<string, unknown>, depthLeft: number): unknown {
  if (depthLeft === 0) throw invalid(`JSON in a query is nested at most ${LITERAL_DEPTH_MAX} levels`);
  switch (node.kind) {
    case Kind.NULL:
      return null;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value;
    case Kind.VARIABLE:
      return variables[node.name.value];
    case Kind.LIST:
      return node.values.map((value) => valueOf(value, variables, depthLeft - 1));
    case Kind.OBJECT:
      // Entries of an object, so that a field called `__proto__` is a key like any other.
      return Object.fromEntries(
        node.fields.map((field) => [field.name.value, valueOf(field.value, variables, depthLeft - 1)]),
      );
  }
}
