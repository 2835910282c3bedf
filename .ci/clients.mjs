// A release by hand through aws-sdk-js v3: create, publish, alias with weights, invoke, asynchronous invocation with a
// destination, streamed response, function URL, logs, and a workflow that is pinned to the version. The deployment package is
// the file named by the first argument.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as cloudwatchlogs from '@aws-sdk/client-cloudwatch-logs';
import * as lambda from '@aws-sdk/client-lambda';
import * as sfn from '@aws-sdk/client-sfn';

const fn = new lambda.Lambda({}), logs = new cloudwatchlogs.CloudWatchLogs({}), machines = new sfn.SFN({});
const role = 'arn:aws:iam::000000000000:role/r', name = `js-${process.pid}`;
const text = (bytes) => Buffer.from(bytes).toString();

// until asks again for what takes its time.
async function until(what, ask) {
  for (let i = 0; i < 100; i++) {
    const answer = await ask();
    if (answer) return answer;
    await sleep(100);
  }
  throw new Error(`${what}: not in ten seconds`);
}

async function create(FunctionName, Handler, more = {}) {
  await fn.createFunction({ FunctionName, Handler, Runtime: 'nodejs20.x', Role: role, Code: { ZipFile: readFileSync(process.argv[2]) }, ...more });
  await lambda.waitUntilFunctionActiveV2({ client: fn, maxWaitTime: 20, minDelay: 1 }, { FunctionName });
  return (await fn.getFunctionConfiguration({ FunctionName })).FunctionArn;
}

await create(name, 'index.handler', { Environment: { Variables: { COLOUR: 'blue' } } });
assert.equal((await fn.publishVersion({ FunctionName: name })).Version, '1');
await fn.updateFunctionConfiguration({ FunctionName: name, Environment: { Variables: { COLOUR: 'green' } } });
await lambda.waitUntilFunctionUpdatedV2({ client: fn, maxWaitTime: 20, minDelay: 1 }, { FunctionName: name });
assert.equal((await fn.publishVersion({ FunctionName: name })).Version, '2');
await fn.createAlias({ FunctionName: name, Name: 'live', FunctionVersion: '1', RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } } });

const seen = new Set();
for (let i = 0; i < 60 && seen.size < 2; i++) {
  const answer = await fn.invoke({ FunctionName: name, Qualifier: 'live', Payload: '{}', LogType: 'Tail' });
  const body = JSON.parse(text(answer.Payload));
  assert.deepEqual(body, { colour: { 1: 'blue', 2: 'green' }[answer.ExecutedVersion], version: answer.ExecutedVersion });
  assert.match(Buffer.from(answer.LogResult, 'base64').toString(), /REPORT RequestId/);
  seen.add(answer.ExecutedVersion);
}
assert.equal(seen.size, 2, '60 invocations at 50 % all ran on one version');

const failed = await fn.invoke({ FunctionName: `${name}:2`, Payload: '{"fail":true}' });
assert.equal(failed.FunctionError, 'Unhandled');
assert.equal(JSON.parse(text(failed.Payload)).errorMessage, 'grey');
await assert.rejects(fn.updateAlias({ FunctionName: name, Name: 'live', FunctionVersion: '2', RevisionId: 'stale' }), lambda.PreconditionFailedException);
await assert.rejects(fn.invoke({ FunctionName: `${name}:7` }), lambda.ResourceNotFoundException);

// An asynchronous invocation tells its destination, another function, which says so in its log.
const sink = await create(`${name}-sink`, 'index.sink');
await fn.putFunctionEventInvokeConfig({ FunctionName: name, Qualifier: 'live', DestinationConfig: { OnSuccess: { Destination: sink } } });
assert.equal((await fn.invoke({ FunctionName: name, Qualifier: 'live', InvocationType: 'Event', Payload: '{"order":17}' })).StatusCode, 202);
const told = await until('the destination is told', async () => {
  const out = await logs.filterLogEvents({ logGroupName: `/aws/lambda/${name}-sink`, filterPattern: '"told"' }).catch((e) => {
    if (e.name !== 'ResourceNotFoundException') throw e; // the group is made with the first event
  });
  return out?.events?.[0];
});
const record = JSON.parse(told.message.slice(told.message.indexOf('{')));
assert.equal(record.requestContext.condition, 'Success');
assert.deepEqual(record.requestPayload, { order: 17 });

const streaming = await create(`${name}-stream`, 'index.stream');
const stream = await fn.invokeWithResponseStream({ FunctionName: streaming, Payload: '"x"' });
let pieces = '', complete;
for await (const part of stream.EventStream) {
  if (part.PayloadChunk) pieces += text(part.PayloadChunk.Payload);
  complete ??= part.InvokeComplete;
}
assert.equal(pieces, 'a"x"b');
assert.ok(complete && !complete.ErrorCode, 'the stream has no end');

const { FunctionUrl } = await fn.createFunctionUrlConfig({ FunctionName: name, Qualifier: 'live', AuthType: 'NONE' });
await fn.addPermission({ FunctionName: name, Qualifier: 'live', StatementId: 'url', Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE' });
await fn.updateAlias({ FunctionName: name, Name: 'live', FunctionVersion: '2', RoutingConfig: { AdditionalVersionWeights: {} } });
const id = new URL(FunctionUrl).hostname.split('.')[0];
for (let i = 0; i < 20; i++) { // none may reach the version that the alias has left
  const page = await fetch(`${process.env.AWS_ENDPOINT_URL}/_aws/lambda-url/${id}/`);
  assert.deepEqual([page.status, await page.json()], [200, { colour: 'green', version: '2' }]);
}

const { stateMachineVersionArn } = await machines.createStateMachine({
  name, roleArn: role, publish: true,
  definition: JSON.stringify({ StartAt: 'Ask', States: { Ask: { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', Parameters: { FunctionName: `${name}:1`, 'Payload.$': '$' }, OutputPath: '$.Payload', End: true } } }),
});
const { executionArn } = await machines.startExecution({ stateMachineArn: stateMachineVersionArn, input: '{}' });
const run = await until('the execution ends', async () => {
  const e = await machines.describeExecution({ executionArn });
  return e.status !== 'RUNNING' && e;
});
assert.deepEqual([run.status, JSON.parse(run.output)], ['SUCCEEDED', { colour: 'blue', version: '1' }]);
console.log(`aws-sdk-js: ${(await fn.listVersionsByFunction({ FunctionName: name })).Versions.length - 1} versions, a weighted alias, a destination, a stream, a URL, logs and a workflow`);
