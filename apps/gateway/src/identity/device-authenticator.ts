import { looksLikeJwt, verifyDeviceJwt } from '@breakwater/device-trust';
import { type DeviceKey, deviceKey, isDeviceId } from '@breakwater/twin';
import type { Clock, DeviceRegistry, RegisteredDevice } from '@breakwater/twin-runtime';
import type { ErrorCode } from '@breakwater/wire';

import type { DeviceCredential } from './credential.ts';
import { DeviceTokens, type DeviceTokensOptions, hashOfToken } from './device-tokens.ts';
import type { TrustMirror } from './trust-mirror.ts';
import { VerifiedCertificates } from './verified-certificates.ts';

export interface DeviceCredentials {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly certificateChain: readonly Uint8Array[];
}

/** `by`: what was shown; nobody is named by it. */
export interface AuthenticationRefused {
  readonly kind: 'refused';
  readonly by: 'nothing' | 'token' | 'jwt' | 'certificate' | 'clientId';
  readonly code: ErrorCode;
  readonly detail: string;
}

export type DeviceAuthentication =
  | { readonly kind: 'known'; readonly device: RegisteredDevice; readonly credential: DeviceCredential }
  | AuthenticationRefused
  /** What tenants trust was not read yet, so nobody can say. */
  | { readonly kind: 'notYet' };

export interface DeviceAuthenticatorOptions extends DeviceTokensOptions {
  readonly registry: DeviceRegistry;
  readonly clock: Clock;
  readonly trust: TrustMirror;
  readonly verifiedChainsMax: number;
  readonly jwtAudience: string;
  readonly jwtIssuer: string;
  readonly jwtLifeMsMax: number;
  readonly jwtClockSkewMs: number;
}

const TOKEN_BYTES_MAX = 1_024;
/** Of the names in a certificate, those that can be a device. */
const NAMES_MAX = 4;

/**
 * Says which device a connection is: by a client certificate if one was shown, else by a JWT as password, else by a
 * device token as password or user name. What is shown first decides: a certificate or JWT that is not good is never
 * made up for by something else in the same CONNECT.
 *
 * A session asks `isStillGood` once more after it is in the directory: from then on whoever revokes what it was opened
 * with finds the session and closes it.
 */
export class DeviceAuthenticator {
  readonly #options: DeviceAuthenticatorOptions;
  readonly #tokens: DeviceTokens;
  readonly #certificates: VerifiedCertificates;

  constructor(options: DeviceAuthenticatorOptions) {
    this.#options = options;
    this.#tokens = new DeviceTokens(options);
    this.#certificates = new VerifiedCertificates(options);
  }

  async authenticate(credentials: DeviceCredentials): Promise<DeviceAuthentication> {
    const found = await this.#find(credentials);
    if (found.kind !== 'known') return found;
    if (!(await this.#namesAnotherDevice(credentials.clientId, found.device))) return found;
    return refused('clientId', 'CLIENT_ID_TAKEN', 'the client id is the id of another device');
  }

  /**
   * Asks anew, past every cache, whether the credential still is this life of the device's, and the device still what
   * the session took it for: one whose profile changed connects anew. A child has its gateway device instead.
   */
  async isStillGood(device: RegisteredDevice, credential: DeviceCredential): Promise<boolean> {
    const { registry, clock, trust } = this.#options;
    const found =
      credential.kind === 'token'
        ? await registry.deviceOfToken(credential.tokenHash)
        : await registry.findDevice(device.tenant, device.device);
    const isSame = found !== null && isSameRegistration(found, device);
    const good = isSame && trust.stillTrusts(device.tenant, credential, clock.nowMs());
    if (!good) this.forget(deviceKey(device.tenant, device.device));
    return good;
  }

  forget(key: DeviceKey): void {
    this.#tokens.forget(key);
  }

  #find(credentials: DeviceCredentials): Promise<DeviceAuthentication> {
    const { certificateChain, password } = credentials;
    if (certificateChain.length > 0) return this.#byCertificate(certificateChain);
    if (password !== null && looksLikeJwt(password)) return this.#byJwt(password);
    return this.#byToken(credentials);
  }

  async #byCertificate(chain: readonly Uint8Array[]): Promise<DeviceAuthentication> {
    const { trust, registry } = this.#options;
    if (!trust.isLoaded) return { kind: 'notYet' };
    const verdict = this.#certificates.verify(chain);
    if (verdict.kind === 'refused') return refused('certificate', verdict.code, verdict.detail);
    const { tenant, caKeyHash, links, expiresAtMs } = verdict;
    const names = verdict.names.filter(isDeviceId).slice(0, NAMES_MAX);
    const found = await Promise.all(names.map((name) => registry.findDevice(tenant, name)));
    const devices = found.filter((device) => device !== null);
    const [device] = devices;
    if (device === undefined) {
      return refused('certificate', 'DEVICE_UNKNOWN', 'the certificate is good, but no such device is registered');
    }
    // Which of them it is must not depend on the order of the names.
    if (devices.length > 1) return refused('certificate', 'DEVICE_UNKNOWN', 'the certificate names several devices');
    return { kind: 'known', device, credential: { kind: 'certificate', caKeyHash, links, expiresAtMs } };
  }

  async #byJwt(password: Uint8Array): Promise<DeviceAuthentication> {
    const { trust, clock, registry, jwtAudience, jwtIssuer, jwtLifeMsMax, jwtClockSkewMs } = this.#options;
    if (!trust.isLoaded) return { kind: 'notYet' };
    const verdict = await verifyDeviceJwt(password, {
      nowMs: clock.nowMs(),
      audience: jwtAudience,
      issuer: jwtIssuer,
      lifeMsMax: jwtLifeMsMax,
      clockSkewMs: jwtClockSkewMs,
      findKey: (tenant, kid) => trust.findKey(tenant, kid),
    });
    if (verdict.kind === 'refused') return refused('jwt', verdict.code, verdict.detail);
    const device = await registry.findDevice(verdict.tenant, verdict.device);
    if (device === null) return refused('jwt', 'DEVICE_UNKNOWN', 'the token is good, but no such device is registered');
    const { kid, keyHash, expiresAtMs } = verdict;
    return { kind: 'known', device, credential: { kind: 'jwt', kid, keyHash, expiresAtMs } };
  }

  async #byToken(credentials: DeviceCredentials): Promise<DeviceAuthentication> {
    const tokens = tokensOf(credentials);
    if (tokens.length === 0) {
      return refused('nothing', 'CREDENTIALS_MISSING', 'send a device token, a JWT, or a client certificate over TLS');
    }
    for (const token of tokens) {
      const tokenHash = hashOfToken(token);
      const device = await this.#tokens.deviceOf(tokenHash);
      if (device !== null) return { kind: 'known', device, credential: { kind: 'token', tokenHash } };
    }
    return refused('token', 'DEVICE_TOKEN_UNKNOWN', 'no device has this token');
  }

  /** The client id is the client's choice, but it must not look like another device of the tenant. */
  async #namesAnotherDevice(clientId: string, device: RegisteredDevice): Promise<boolean> {
    if (clientId === device.device || !isDeviceId(clientId)) return false;
    return (await this.#options.registry.findDevice(device.tenant, clientId)) !== null;
  }
}

function isSameRegistration(one: RegisteredDevice, other: RegisteredDevice): boolean {
  const { payloadFormat, isGateway, via } = other.profile;
  const sameProfile =
    one.profile.payloadFormat === payloadFormat && one.profile.isGateway === isGateway && one.profile.via === via;
  const sameLife = one.device === other.device && one.incarnation === other.incarnation;
  return one.tenant === other.tenant && sameLife && sameProfile;
}

function tokensOf(credentials: DeviceCredentials): readonly (string | Uint8Array)[] {
  const candidates = [credentials.password, credentials.username];
  return candidates.filter(
    (token): token is string | Uint8Array => token !== null && token.length > 0 && token.length <= TOKEN_BYTES_MAX,
  );
}

function refused(by: AuthenticationRefused['by'], code: ErrorCode, detail: string): AuthenticationRefused {
  return { kind: 'refused', by, code, detail };
}
