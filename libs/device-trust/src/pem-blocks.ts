/** The DER of each PEM block with this label; null when the text holds anything else between BEGIN and END. */
export function pemBlocks(text: string, label: string): readonly Buffer[] | null {
  const blocks: Buffer[] = [];
  const pattern = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END ([A-Z0-9 ]+)-----/g;
  for (const [, begin, base64 = '', end] of text.matchAll(pattern)) {
    if (begin !== label || end !== label) return null;
    blocks.push(Buffer.from(base64, 'base64'));
  }
  return blocks;
}
