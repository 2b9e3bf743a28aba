import type { ErrorCode } from '@breakwater/wire';

/** Why a payload cannot be used. Thrown inside the readers of this folder only; `classify` turns it into a value. */
export class PayloadRefused extends Error {
  override readonly name = 'PayloadRefused';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail: string) {
    super(detail);
    this.code = code;
  }
}
