export { readDeviceCas, DEVICE_CAS_MAX, type DeviceCa } from './device-ca.ts';
export {
  type CertificateVerdict,
  type ChainLink,
  type TrustAnchor,
  verifyDeviceCertificate,
} from './device-certificate.ts';
export { type JwtRules, type JwtVerdict, looksLikeJwt, verifyDeviceJwt } from './device-jwt.ts';
export { type DeviceKey, type DeviceKeySet, JWT_ALGORITHMS, readKeySet } from './key-set.ts';
export type { TrustRefusal } from './trust-refusal.ts';
export { readRevocationLists, type RevocationList } from './revocation-list.ts';
