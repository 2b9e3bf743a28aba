import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ERROR_CODES } from '@breakwater/wire';

import { notFound } from '../http/problem.ts';
import { readErrorPage } from '../reference-page.ts';

/** Where the `type` of a problem leads: what the code means, who sees it and what to do. */
@ApiExcludeController()
@Controller('api/errors')
export class ErrorPageController {
  @Get(':code')
  @Header('content-type', 'text/markdown; charset=utf-8')
  async read(@Param('code') code: string): Promise<string> {
    const page = (ERROR_CODES as readonly string[]).includes(code) ? await readErrorPage() : null;
    const section = page?.split(/^### /m).find((part) => part.startsWith(`${code}\n`));
    if (section === undefined) throw notFound('error code');
    return `# ${(section.split(/^## /m)[0] as string).trim()}\n`;
  }
}
