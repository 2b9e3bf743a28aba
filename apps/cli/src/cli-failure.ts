/** Something that the person at the terminal can understand and mend; printed as its code and its sentence. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** 0: all is well. */
export const EXIT = { differs: 1, failed: 2 } as const;
