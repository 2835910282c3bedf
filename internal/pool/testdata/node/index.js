let counter = 0;

class CustomError extends Error {
  constructor(m) { super(m); this.name = 'CustomError'; }
}

exports.handler = async (event, context) => {
  switch (event.do) {
    case 'echo': return event.echo;
    case 'count': return ++counter;
    case 'error': throw new CustomError(event.arg);
    case 'marshal': { const a = {}; a.a = a; return a; }
    case 'exit': process.exit(Number(event.arg));
    case 'log': console.log('printed %s', 'ä'); console.error('to stderr'); return 'logged';
    case 'never': return new Promise(() => {});
    case 'throw later': setTimeout(() => { throw new Error('later'); }, 1); return new Promise(() => {});
    case 'reject': Promise.reject(new Error('unheard')); await new Promise((r) => setTimeout(r, 1000)); return 1;
    case 'context': return {
      id: context.awsRequestId, arn: context.invokedFunctionArn, left: context.getRemainingTimeInMillis(), name: context.functionName,
      version: context.functionVersion, memory: context.memoryLimitInMB, stream: context.logStreamName, group: context.logGroupName,
      custom: context.clientContext.custom, trace: process.env._X_AMZN_TRACE_ID, cwd: process.cwd(), exec: process.env.AWS_EXECUTION_ENV,
    };
  }
  throw new Error('nothing known');
};

exports.callback = (event, context, callback) => {
  if (event.do === 'error') return callback(new CustomError(event.arg));
  setTimeout(() => callback(null, 'called back'), 1);
};

exports.nested = { deep: () => 'sync results do not count' };
exports.text = 'no function';
const pass = (address) => new Promise((resolve) => {
  const [host, port] = address.split(':');
  require('net').connect(Number(port), host).on('data', resolve);
});
exports.pieces = awslambda.streamifyResponse(async (event, out) => {
  const [address, fails] = event.arg.split('|');
  out = awslambda.HttpResponseStream.from(out, { statusCode: 201 });
  out.write('first');
  await pass(address);
  if (fails) throw new CustomError(fails);
  out.write(' second');
  out.end();
});
exports.early = awslambda.streamifyResponse(async () => { throw new CustomError('before'); });
exports.piped = awslambda.streamifyResponse(async (event, out) => {
  require('stream').pipeline(require('stream').Readable.from((async function* () {
    for (let i = 0; i < 100; i++) yield Buffer.alloc(100_000, i);
  })()), out, () => {});
});
exports.stream = awslambda.streamifyResponse(async (event, out) => { out.write('a'); out.write('b'); out.end(); });
