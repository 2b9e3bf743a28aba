import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';

import { CurrentCaller, type Caller } from '../http/authentication.ts';
import { linkNext } from '../http/link-next.ts';
import { traceOf } from '../http/trace.ts';
import {
  createDeviceBody,
  device,
  deviceList,
  devicePath,
  deviceWithToken,
  listQuery,
  patchDeviceBody,
} from '../schemas/device-schemas.ts';
import { DeviceService, type DeviceList, type DeviceView, type DeviceWithToken } from '../services/device-service.ts';
import { describeOperation } from './api-operation.ts';

type DevicePath = z.output<typeof devicePath>;

@ApiTags('Devices')
@Controller('api/v1/devices')
export class DeviceController {
  constructor(private readonly devices: DeviceService) {}

  @Post()
  @describeOperation({
    summary: 'Register a device',
    description: 'The token in the answer is what the device connects with over MQTT; it is shown this once.',
    success: { status: 201, description: 'The device and its token.', schema: deviceWithToken },
    problems: [409, 413, 415],
  })
  async create(
    @CurrentCaller() caller: Caller,
    @Body({ schema: createDeviceBody }) body: z.output<typeof createDeviceBody>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeviceWithToken> {
    const { id, ...profile } = body;
    const created = await this.devices.create(caller.tenant, { id, profile }, traceOf(request).traceparent);
    void reply.header('location', `/api/v1/devices/${encodeURIComponent(created.id)}`);
    return created;
  }

  @Get()
  @describeOperation({
    summary: 'List devices, in order of id',
    success: { status: 200, description: 'One page; `Link` names the next.', schema: deviceList },
  })
  async list(
    @CurrentCaller() caller: Caller,
    @Query({ schema: listQuery }) query: z.output<typeof listQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeviceList> {
    const page = await this.devices.list(caller.tenant, query.limit, query.cursor);
    linkNext(request, reply, page.nextCursor);
    return page;
  }

  @Get(':id')
  @describeOperation({
    summary: 'Read a device',
    success: { status: 200, description: 'The device, without its token.', schema: device },
    problems: [404],
  })
  find(@CurrentCaller() caller: Caller, @Param({ schema: devicePath }) path: DevicePath): Promise<DeviceView> {
    return this.devices.find(caller.tenant, path.id);
  }

  @Patch(':id')
  @describeOperation({
    summary: 'Change what a device is',
    description: 'What changes holds at once: its connection, if it has one, is closed and it connects anew.',
    success: { status: 200, description: 'The device as it is now.', schema: device },
    problems: [404, 409, 413, 415],
  })
  update(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Body({ schema: patchDeviceBody }) body: z.output<typeof patchDeviceBody>,
  ): Promise<DeviceView> {
    return this.devices.update(caller.tenant, path.id, body);
  }

  @Delete(':id')
  @describeOperation({
    summary: 'Delete a device with its twin',
    description:
      'Its token is refused from now on and its connection is closed. Stored telemetry stays for its retention.',
    success: { status: 204, description: 'It is gone.' },
    problems: [404],
  })
  delete(
    @CurrentCaller() caller: Caller,
    @Param({ schema: devicePath }) path: DevicePath,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    return this.devices.delete(caller.tenant, path.id, traceOf(request).traceparent);
  }

  @Post(':id/token')
  @describeOperation({
    summary: 'Give a device a new token',
    description: 'The old one is refused at once, and a connection that was made with it is closed.',
    success: { status: 200, description: 'The device and its new token.', schema: deviceWithToken },
    problems: [404],
  })
  rotate(@CurrentCaller() caller: Caller, @Param({ schema: devicePath }) path: DevicePath): Promise<DeviceWithToken> {
    return this.devices.rotateToken(caller.tenant, path.id);
  }
}
