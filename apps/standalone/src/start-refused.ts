import type { ErrorCode } from '@breakwater/wire';

/** The platform cannot start here, and the reader can do something about it: shown as one message, without a stack. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
