/** Of a gRPC message: one byte that says "not compressed", then the length. */
const FRAME_HEADER_BYTES = 5;
/** Field 1 of DescribeNamespaceRequest, `namespace`, and the wire type of texts. */
const NAMESPACE_TAG = 0x0a;
const VARINT_BITS = 7;
const VARINT_MORE = 0x80;

export const DESCRIBE_NAMESPACE_PATH = '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace';

/** `DescribeNamespaceRequest { namespace }` as one gRPC frame. */
export function encodeNamespaceQuestion(namespace: string): Buffer {
  const name = Buffer.from(namespace, 'utf8');
  const message = Buffer.from([NAMESPACE_TAG, ...varint(name.length), ...name]);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= VARINT_MORE; left >>>= VARINT_BITS) bytes.push((left & (VARINT_MORE - 1)) | VARINT_MORE);
  return [...bytes, left];
}
