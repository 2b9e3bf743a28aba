import type { Logger } from '@breakwater/observability';

import type { GatewaySettings } from '../read-gateway-settings.ts';
import type { Accept, Listener } from './listener.ts';
import type { TransportRefusal } from './peer.ts';
import type { StreamListenOptions } from './stream-listener.ts';
import { listenTcp } from './tcp-listener.ts';
import { TlsCertificate } from './tls-certificate.ts';
import { listenWebSocket } from './websocket-listener.ts';

/** As in `GATEWAY_PROXY_PROTOCOL`, in metrics and in logs. */
export type ListenerName = 'mqtt' | 'mqtts' | 'ws' | 'wss';

export interface GatewayListenersOptions {
  readonly settings: GatewaySettings;
  readonly accept: Accept;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly onRefused: (
    listener: ListenerName,
    refusal: TransportRefusal,
    context: { remoteAddress: string; detail: string },
  ) => void;
  readonly onReload: (result: 'taken' | 'refused') => void;
}

/** The ports on which devices come in: with and without TLS, plain and as WebSocket. */
export class GatewayListeners {
  readonly #options: GatewayListenersOptions;
  readonly #open: Listener[] = [];
  #certificate: TlsCertificate | null = null;

  constructor(options: GatewayListenersOptions) {
    this.#options = options;
  }

  get areOpen(): boolean {
    return this.#open.length > 0;
  }

  /** When the gateway's own certificate ends; null without one. */
  get certificateNotAfterMs(): number | null {
    return this.#certificate?.notAfterMs ?? null;
  }

  /** @throws PlatformError `PORT_IN_USE`, `TLS_CERTIFICATE_UNUSABLE` */
  async open(): Promise<Readonly<Record<string, number>>> {
    const { settings } = this.#options;
    if (settings.tlsCertFile !== '') await this.#loadCertificate();
    const ports: Record<string, number> = { mqtt: await this.#listenTcp('mqtt', settings.mqttPort) };
    if (this.#certificate !== null && settings.mqttTlsPort !== 0) {
      ports['mqtts'] = await this.#listenTcp('mqtts', settings.mqttTlsPort);
    }
    if (settings.mqttWebSocketPort !== 0) ports['mqttWs'] = await this.#listenWs('ws', settings.mqttWebSocketPort);
    if (this.#certificate !== null && settings.mqttWebSocketTlsPort !== 0) {
      ports['mqttWss'] = await this.#listenWs('wss', settings.mqttWebSocketTlsPort);
    }
    return ports;
  }

  /** Looks at the certificate files now instead of at the next round. */
  async reloadCertificate(): Promise<void> {
    await this.#certificate?.reload();
  }

  /** Accepts nothing more; settles when the last connection is gone. */
  async close(): Promise<void> {
    this.#certificate?.stop();
    await Promise.all(this.#open.map((listener) => listener.close()));
  }

  async #loadCertificate(): Promise<void> {
    const { settings, logger, nowMs, onReload } = this.#options;
    this.#certificate = await TlsCertificate.load({
      certFile: settings.tlsCertFile,
      keyFile: settings.tlsKeyFile,
      reloadMs: settings.tlsReloadMs,
      nowMs,
      logger,
      onReload,
    });
    this.#certificate.watch();
  }

  async #listenTcp(name: 'mqtt' | 'mqtts', port: number): Promise<number> {
    return this.#keep(await listenTcp(this.#streamOptions(name, port), this.#options.accept));
  }

  async #listenWs(name: 'ws' | 'wss', port: number): Promise<number> {
    const frameBytesMax = this.#options.settings.packetBytesMax;
    return this.#keep(
      await listenWebSocket({ ...this.#streamOptions(name, port), frameBytesMax }, this.#options.accept),
    );
  }

  #keep(listener: Listener): number {
    this.#open.push(listener);
    return listener.port;
  }

  #streamOptions(name: ListenerName, port: number): StreamListenOptions {
    const { settings, logger, onRefused } = this.#options;
    return {
      host: settings.bindHost,
      port,
      logger,
      proxyProtocol: settings.proxyProtocol.has(name),
      certificate: name === 'mqtts' || name === 'wss' ? this.#certificate : null,
      handshakeTimeoutMs: settings.handshakeTimeoutMs,
      handshakesMax: settings.handshakesMax,
      onRefused: (refusal, context) => onRefused(name, refusal, context),
    };
  }
}
