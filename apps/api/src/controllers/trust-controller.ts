import { Body, Controller, Delete, Get, Param, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { crl, crlBody, deviceCa, deviceCaBody, jwks, jwksBody, tenantPath } from '../schemas/trust-schemas.ts';
import { TrustService, type CrlView, type DeviceCaView, type JwksView } from '../services/trust-service.ts';
import { describeOperation } from './api-operation.ts';

type TenantPath = z.output<typeof tenantPath>;

const WHO = 'The key of the tenant itself, or the admin key.';
const WITHIN =
  'Gateways take it within about two seconds, and close the connections of devices that it leaves without a right.';

@ApiTags('Tenants')
@Controller('api/v1/tenants/:id')
export class TrustController {
  constructor(private readonly trust: TrustService) {}

  @Put('device-ca')
  @describeOperation({
    summary: 'Set the CAs whose certificates are devices',
    description: `${WITHIN} A CA's public key belongs to one tenant. PEM as it is may be sent as application/x-pem-file. ${WHO}`,
    success: { status: 200, description: 'What is trusted now.', schema: deviceCa },
    problems: [404, 409, 413, 415, 422],
  })
  putDeviceCa(
    @CurrentCaller() caller: Caller,
    @Param({ schema: tenantPath }) path: TenantPath,
    @Body({ schema: deviceCaBody }) body: z.output<typeof deviceCaBody>,
  ): Promise<DeviceCaView> {
    return this.trust.replaceDeviceCa(caller, path.id, body.pem);
  }

  @Get('device-ca')
  @describeOperation({
    summary: 'Read the CAs whose certificates are devices',
    description: WHO,
    success: { status: 200, description: 'What is trusted.', schema: deviceCa },
    problems: [404],
  })
  getDeviceCa(@CurrentCaller() caller: Caller, @Param({ schema: tenantPath }) path: TenantPath): Promise<DeviceCaView> {
    return this.trust.deviceCa(caller, path.id);
  }

  @Delete('device-ca')
  @describeOperation({
    summary: 'Trust no certificates any longer',
    description: `${WITHIN} ${WHO}`,
    success: { status: 204, description: 'They are gone.' },
    problems: [404],
  })
  deleteDeviceCa(@CurrentCaller() caller: Caller, @Param({ schema: tenantPath }) path: TenantPath): Promise<void> {
    return this.trust.remove(caller, path.id, 'deviceCa');
  }

  @Put('crl')
  @describeOperation({
    summary: 'Set the revocation lists of the device CAs',
    description: `${WITHIN} Each list is complete and signed by a CA of the tenant. ${WHO}`,
    success: { status: 200, description: 'What is revoked now.', schema: crl },
    problems: [404, 413, 415, 422],
  })
  putCrl(
    @CurrentCaller() caller: Caller,
    @Param({ schema: tenantPath }) path: TenantPath,
    @Body({ schema: crlBody }) body: z.output<typeof crlBody>,
  ): Promise<CrlView> {
    return this.trust.replaceCrl(caller, path.id, body.pem);
  }

  @Get('crl')
  @describeOperation({
    summary: 'Read the revocation lists of the device CAs',
    description: WHO,
    success: { status: 200, description: 'What is revoked.', schema: crl },
    problems: [404, 422],
  })
  getCrl(@CurrentCaller() caller: Caller, @Param({ schema: tenantPath }) path: TenantPath): Promise<CrlView> {
    return this.trust.crl(caller, path.id);
  }

  @Delete('crl')
  @describeOperation({
    summary: 'Revoke nothing any longer',
    description: `What the lists named is good again. ${WHO}`,
    success: { status: 204, description: 'They are gone.' },
    problems: [404],
  })
  deleteCrl(@CurrentCaller() caller: Caller, @Param({ schema: tenantPath }) path: TenantPath): Promise<void> {
    return this.trust.remove(caller, path.id, 'crl');
  }

  @Put('jwks')
  @describeOperation({
    summary: 'Set the keys that sign the tokens of devices',
    description: `${WITHIN} Public keys only. ${WHO}`,
    success: { status: 200, description: 'The keys.', schema: jwks },
    problems: [404, 413, 415, 422],
  })
  putJwks(
    @CurrentCaller() caller: Caller,
    @Param({ schema: tenantPath }) path: TenantPath,
    @Body({ schema: jwksBody }) body: z.output<typeof jwksBody>,
  ): Promise<JwksView> {
    return this.trust.replaceJwks(caller, path.id, body);
  }

  @Get('jwks')
  @describeOperation({
    summary: 'Read the keys that sign the tokens of devices',
    description: WHO,
    success: { status: 200, description: 'The keys.', schema: jwks },
    problems: [404],
  })
  getJwks(@CurrentCaller() caller: Caller, @Param({ schema: tenantPath }) path: TenantPath): Promise<JwksView> {
    return this.trust.jwks(caller, path.id);
  }

  @Delete('jwks')
  @describeOperation({
    summary: 'Trust no tokens of devices any longer',
    description: `${WITHIN} ${WHO}`,
    success: { status: 204, description: 'They are gone.' },
    problems: [404],
  })
  deleteJwks(@CurrentCaller() caller: Caller, @Param({ schema: tenantPath }) path: TenantPath): Promise<void> {
    return this.trust.remove(caller, path.id, 'jwks');
  }
}
