import { choice, text } from '../define-settings.ts';

/** Where Temporal is, for every part that asks it something. */
export const temporalSettings = {
  temporalAddress: text('TEMPORAL_ADDRESS', {
    reason:
      'Host and port of the Temporal frontend (gRPC). Empty: there is none, and nothing asks for it. `npm start` sets it.',
  }),
  temporalNamespace: text('TEMPORAL_NAMESPACE', {
    default: 'breakwater',
    reason: 'The namespace of our workflows. One of our own, so that a Temporal which others use too stays tidy.',
  }),
  temporalTls: choice('TEMPORAL_TLS', {
    values: ['false', 'true'],
    default: 'false',
    reason: 'Whether the frontend is spoken to over TLS, with the certificates that this machine trusts.',
  }),
} as const;
