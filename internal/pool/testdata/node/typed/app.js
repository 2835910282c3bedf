import { basename } from 'node:path';
export const handler = async (event, context) => [basename(import.meta.url), typeof require, context.awsRequestId.length];
