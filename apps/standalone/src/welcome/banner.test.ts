import { describe, expect, it } from '@jest/globals';

import { banner, type BannerOptions } from './banner.ts';

const OPTIONS: BannerOptions = {
  httpPort: 3000,
  mqttPort: 1883,
  mqttWebSocketPort: 8083,
  tls: null,
  adminKey: 'the-key',
  dataFolder: '/x/data',
  device: undefined,
  log: 'in Redis',
  temporal: 'off',
  tookMs: 5_432,
};

describe('the banner', () => {
  it('names a page that a browser shows, beside the address for programs, which is none', () => {
    expect(banner(OPTIONS)).toContain(
      'API         http://localhost:3000/api/v1, to read and to try at http://localhost:3000/api\n',
    );
  });

  it('names only what is open', () => {
    const all = banner({ ...OPTIONS, tls: { mqttTlsPort: 8883, mqttWebSocketTlsPort: 0 } });
    expect(all).toContain('mqtt://localhost:1883, ws://localhost:8083/mqtt\n');
    expect(all).toContain('with TLS    mqtts://localhost:8883\n');
    const least = banner({ ...OPTIONS, mqttWebSocketPort: 0 });
    expect(least).toContain('mqtt://localhost:1883\n');
    expect(least).not.toContain('TLS');
  });

  it('has lines for the device that was made, or else for making one', () => {
    expect(banner(OPTIONS)).toContain(`-H 'Authorization: Bearer the-key'`);
    const device = { id: 'first-device', token: 'its-token' } as BannerOptions['device'];
    expect(banner({ ...OPTIONS, device })).toContain('mosquitto_pub -p 1883 -q 1 -i first-device -u its-token');
  });
});
