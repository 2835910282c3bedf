// Runs one Node handler and speaks the Lambda Runtime API. An answer travels together with the request for the next
// event, in one packet.
import net from 'node:net';
import fs from 'node:fs';
import path from 'node:path';
import util from 'node:util';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Writable } from 'node:stream';

// An interpreter started ahead learns its function: the environment variables come as JSON on descriptor 3.
if (process.argv[2] === 'ahead') {
  const text = fs.readFileSync(3, 'utf8');
  fs.closeSync(3);
  if (text === '') process.exit(0); // the platform has ended
  for (const k of Object.keys(process.env)) delete process.env[k];
  Object.assign(process.env, JSON.parse(text));
  process.chdir(process.env.LAMBDA_TASK_ROOT);
  process.argv.length = 2;
}

const taskRoot = process.env.LAMBDA_TASK_ROOT;
const shownRoot = '/var/task'; // where the code lies on AWS, and so in stack traces
const NEXT = 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n';
const streaming = Symbol.for('aws.lambda.runtime.handler.streaming');

let requestId = ''; // of the invocation under way
let complete = null; // ends the invocation under way; null between invocations

// ---- the log ----

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const jsonLogs = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const lowest = jsonLogs ? LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL) : -1;

function writeLine(level, args) {
  if (LEVELS.indexOf(level) < lowest) return;
  const text = jsonLogs ? jsonLine(level, args) : `${new Date().toISOString()}\t${requestId || 'undefined'}\t${level}\t${util.format(...args)}`;
  writeAll(Buffer.from(text + '\n'));
}

// jsonLine is a line in AWS's JSON format: one value stands as it is, several as their text, and the first error among
// them is told by its parts.
function jsonLine(level, args) {
  const line = { timestamp: new Date().toISOString(), level, requestId: requestId || undefined };
  const parts = (e) => ({ errorType: e?.constructor?.name ?? 'UnknownError', errorMessage: e.message, stackTrace: String(e.stack).split('\n') });
  if (args.length === 1) {
    try {
      return JSON.stringify({ ...line, message: args[0] }, (key, value) => (value instanceof Error ? { ...value, ...parts(value) } : value));
    } catch {
      return JSON.stringify({ ...line, message: util.format(args[0]) });
    }
  }
  line.message = util.format(...args);
  const error = args.find((a) => a instanceof Error);
  return JSON.stringify(error ? { ...line, ...parts(error) } : line);
}

function writeAll(data) {
  for (let at = 0; at < data.length;) {
    try {
      at += fs.writeSync(1, data, at);
    } catch (e) {
      if (e.code !== 'EAGAIN') return;
    }
  }
}

console.log = (...a) => writeLine('INFO', a);
console.info = console.log;
console.debug = (...a) => writeLine('DEBUG', a);
console.warn = (...a) => writeLine('WARN', a);
console.error = (...a) => writeLine('ERROR', a);
console.trace = (...a) => {
  const e = { name: 'Trace', message: util.format(...a) };
  Error.captureStackTrace(e, console.trace);
  writeLine('TRACE', [e.stack]);
};

// ---- errors ----

const shown = (s) => s.replaceAll(pathToFileURL(taskRoot).href + '/', `file://${shownRoot}/`).replaceAll(taskRoot + '/', shownRoot + '/');

function document(e, list) {
  if (e instanceof Error || (e !== null && typeof e === 'object' && 'message' in e && 'stack' in e)) {
    const name = String(e.name ?? 'Error');
    return { errorType: name, errorMessage: shown(String(e.message)), [list]: shown(String(e.stack ?? '')).split('\n') };
  }
  return { errorType: typeof e, errorMessage: String(e), [list]: [] };
}

function fault(type, message, cause) {
  const e = new Error(message);
  e.name = type;
  e.stack = `${type}: ${message}` + (cause?.stack ? '\n' + String(cause.stack).split('\n').filter((l) => /^\s+at /.test(l)).join('\n') : '');
  return e;
}

function logError(label, e) {
  if (jsonLogs) {
    const { trace, ...rest } = document(e, 'trace');
    writeLine('ERROR', [{ ...rest, stackTrace: trace }]);
    return;
  }
  const { trace, ...rest } = document(e, 'trace');
  const more = e !== null && typeof e === 'object' ? Object.fromEntries(Object.entries(e).filter(([k]) => k !== 'name')) : {};
  let text;
  try {
    text = JSON.stringify({ ...rest, ...more, stack: trace });
  } catch {
    text = JSON.stringify({ ...rest, stack: trace });
  }
  writeLine('ERROR', [`${label} \t${text}`]);
}

const post = (p, body, type, content = 'application/json') => {
  const head = `POST /2018-06-01/runtime/${p} HTTP/1.1\r\nHost: runtime\r\nContent-Type: ${content}\r\n` +
    (type ? `Lambda-Runtime-Function-Error-Type: ${String(type).replace(/[^\x21-\x7e]/g, '_')}\r\n` : '');
  if (typeof body === 'string') return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
};

// ---- the connection ----

const [host, port] = [process.env.AWS_LAMBDA_RUNTIME_API.replace(/:\d+$/, ''), Number(/:(\d+)$/.exec(process.env.AWS_LAMBDA_RUNTIME_API)[1])];
const socket = net.connect({ host, port, noDelay: true });
let parts = []; // of an unfinished response
let have = 0; // bytes in parts
let need = 0; // bytes that parts must have to be worth a look
let onReply = null; // takes one reply that is not an event

socket.on('data', (data) => {
  if (parts.length > 0) {
    parts.push(data);
    have += data.length;
    if (have < need) return;
    data = Buffer.concat(parts);
    parts = [];
  }
  receive(data);
});
socket.on('error', (e) => { fatal(e); });
socket.on('close', () => process.exit(1));

function fatal(e) {
  writeLine('ERROR', ['the Runtime API has failed: ' + e]);
  process.exit(1);
}

// receive takes whole responses off the front of data.
function receive(data) {
  for (;;) {
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return keep(data, data.length + 1);
    const lines = data.latin1Slice(0, end).split('\r\n');
    const headers = {};
    for (let i = 1; i < lines.length; i++) {
      const colon = lines[i].indexOf(': ');
      headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 2);
    }
    const from = end + 4;
    const to = from + Number(headers['content-length'] ?? 0);
    if (data.length < to) return keep(data, to);
    const body = data.utf8Slice(from, to);
    const status = Number(lines[0].slice(9, 12));
    data = data.subarray(to);
    if (status === 200) invoke(headers, body);
    else if (onReply) onReply(status, body);
    else if (status !== 202 && status !== 413 && status !== 400) fatal(`status ${status}: ${body}`);
    if (data.length === 0) return;
  }
}

function keep(data, want) {
  if (data.length === 0) return;
  parts = [data];
  have = data.length;
  need = want;
}

// ---- the handler ----

async function load(name) {
  const dir = path.dirname(name);
  const base = path.basename(name);
  const dot = base.indexOf('.');
  if (name.includes('..')) throw fault('Runtime.MalformedHandlerName', `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  if (dot <= 0 || dot === base.length - 1) throw fault('Runtime.MalformedHandlerName', 'Bad handler');
  const file = path.resolve(taskRoot, dir, base.slice(0, dot));
  let module;
  try {
    module = await importFile(file, path.join(dir, base.slice(0, dot)));
  } catch (e) {
    if (e instanceof SyntaxError) throw fault('Runtime.UserCodeSyntaxError', 'SyntaxError: ' + e.message, e);
    if (e?.code === 'MODULE_NOT_FOUND' || e?.code === 'ERR_MODULE_NOT_FOUND') throw fault('Runtime.ImportModuleError', 'Error: ' + e.message, e);
    throw e;
  }
  let target = module;
  let self = module;
  for (const key of base.slice(dot + 1).split('.')) {
    self = target;
    target = target?.[key];
  }
  if (target === undefined && module.default !== undefined) { // CommonJS seen through import
    target = base.slice(dot + 1).split('.').reduce((o, k) => o?.[k], module.default);
  }
  if (target === undefined) throw fault('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof target !== 'function') throw fault('Runtime.HandlerNotFound', `${name} is not a function`);
  return target;
}

function importFile(file, name) {
  const require = createRequire(path.join(taskRoot, 'handler.js'));
  if (fs.existsSync(file) && fs.statSync(file).isFile()) return require(file);
  if (fs.existsSync(file + '.js')) return isModule(file) ? import(pathToFileURL(file + '.js').href) : require(file + '.js');
  if (fs.existsSync(file + '.mjs')) return import(pathToFileURL(file + '.mjs').href);
  if (fs.existsSync(file + '.cjs')) return require(file + '.cjs');
  try {
    return require(require.resolve(name, { paths: [taskRoot] }));
  } catch (e) {
    if (e.code === 'MODULE_NOT_FOUND') e.message = `Cannot find module '${name}'`;
    throw e;
  }
}

// isModule reports whether the nearest package.json makes .js files ES modules.
function isModule(file) {
  for (let dir = path.dirname(file); ; dir = path.dirname(dir)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')).type === 'module';
    } catch (e) {
      if (e instanceof SyntaxError) return false;
    }
    if (dir === taskRoot || dir === path.dirname(dir)) return false;
  }
}

// A streamed response: a request in chunks, whose trailers tell an error that came after its beginning.
class ResponseStream extends Writable {
  #head;
  #contentType = 'application/octet-stream';
  started = false;
  constructor(id, options) {
    super(options);
    this.#head = `POST /2018-06-01/runtime/invocation/${id}/response HTTP/1.1\r\nHost: runtime\r\nTransfer-Encoding: chunked\r\n` +
      'Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n';
  }
  setContentType(t) { this.#contentType = t; }
  begin() {
    if (this.started) return '';
    this.started = true;
    return `${this.#head}Content-Type: ${String(this.#contentType).replace(/[^\x20-\x7e]/g, '_')}\r\n\r\n`;
  }
  _write(chunk, encoding, done) {
    if (typeof chunk === 'string') chunk = Buffer.from(chunk, encoding);
    if (chunk.length === 0) return done();
    socket.cork();
    socket.write(`${this.begin()}${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    socket.write('\r\n', done);
    socket.uncork();
  }
  last(trailers = '') { return `${this.begin()}0\r\n${trailers}\r\n`; }
}

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[streaming] = 'response';
    handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = options?.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.write(JSON.stringify(prelude));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

let handler;

function invoke(headers, body) {
  requestId = headers['lambda-runtime-aws-request-id'];
  const trace = headers['lambda-runtime-trace-id'];
  if (trace !== process.env._X_AMZN_TRACE_ID) {
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
  }
  const id = requestId;
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  let failed = () => undefined; // ends a response that has begun, with an error
  let empty = null; // what an empty event loop means to a streaming function
  let pending; // the result of a callback that waits for the event loop to be empty

  const send = (message) => {
    if (complete === null || requestId !== id) return;
    complete = null;
    process.removeListener('beforeExit', drained);
    socket.ref();
    if (typeof message === 'string') socket.write(message + NEXT);
    else {
      socket.cork();
      socket.write(message);
      socket.write(NEXT);
      socket.uncork();
    }
  };
  const fail = (e, label = 'Invoke Error') => {
    if (complete === null || requestId !== id) return;
    logError(label, e);
    const d = document(e, 'trace');
    send(failed(d) ?? post(`invocation/${id}/error`, JSON.stringify(d), d.errorType));
  };
  const succeed = (value) => {
    let text;
    try {
      text = JSON.stringify(value === undefined ? null : value);
      if (text === undefined) text = 'null';
    } catch (e) {
      return fail(fault('Runtime.MarshalError', 'Unable to stringify response body: ' + e.message, e));
    }
    send(post(`invocation/${id}/response`, text));
  };
  const drained = () => {
    if (empty !== null) empty();
    else if (pending === undefined) succeed(null);
    else if (pending.error) fail(pending.error);
    else succeed(pending.value);
  };
  complete = fail;

  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: undefined,
    identity: undefined,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: id,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
  };
  const callback = (error, value) => {
    if (pending !== undefined) return;
    pending = { error, value };
    if (error) fail(error);
    else if (!context.callbackWaitsForEmptyEventLoop) succeed(value);
  };
  context.done = callback;
  context.succeed = (value) => succeed(value);
  context.fail = (error) => fail(error ?? new Error('handled'));

  let event;
  try {
    const client = headers['lambda-runtime-client-context'];
    if (client) context.clientContext = JSON.parse(Buffer.from(client, 'latin1').toString('utf8'));
    const identity = headers['lambda-runtime-cognito-identity'];
    if (identity) context.identity = JSON.parse(identity);
    event = body === '' ? {} : JSON.parse(body);
  } catch (e) {
    return fail(fault('Runtime.UnmarshalError', 'Unable to parse the event: ' + e.message, e));
  }
  socket.unref(); // so that an empty event loop is seen
  process.on('beforeExit', drained);
  try {
    if (handler[streaming]) {
      const mark = handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')];
      const stream = new ResponseStream(id, mark === undefined ? {} : { highWaterMark: Number(mark) });
      failed = (d) => (stream.started
        ? stream.last(`Lambda-Runtime-Function-Error-Type: ${d.errorType.replace(/[^\x21-\x7e]/g, '_')}\r\nLambda-Runtime-Function-Error-Body: ${Buffer.from(JSON.stringify(d)).toString('base64')}\r\n`)
        : undefined);
      empty = () => stream.end(); // nothing goes on, and the function has not ended its response
      stream.on('finish', () => send(stream.last()));
      stream.on('error', (e) => fail(e));
      const result = handler(event, stream, context);
      if (typeof result?.then !== 'function') fail(new Error('Streaming does not support non-async handlers.'));
      else result.then(undefined, (e) => fail(e));
      return;
    }
    const result = handler(event, context, callback);
    if (result !== null && typeof result?.then === 'function') result.then(succeed, (e) => fail(e));
  } catch (e) {
    fail(e);
  }
}

// ---- errors that nobody caught ----

function end(label, e, status) {
  if (complete !== null) {
    const whole = complete;
    const write = socket.write.bind(socket);
    socket.write = (m) => write(typeof m === 'string' && m.endsWith(NEXT) ? m.slice(0, -NEXT.length) : m); // no further event
    whole(e, label);
    onReply = () => process.exit(status);
    setTimeout(() => process.exit(status), 1000);
    return;
  }
  logError(label, e);
  process.exit(status);
}

process.on('uncaughtException', (e) => end('Uncaught Exception', e, 129));
process.on('unhandledRejection', (reason) => {
  const e = fault('Runtime.UnhandledPromiseRejection', reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason), reason);
  e.reason = reason instanceof Error ? document(reason, 'stack') : reason;
  end('Unhandled Promise Rejection', e, 128);
});

try {
  handler = await load(process.env._HANDLER);
  socket.write(NEXT);
} catch (e) {
  logError('Uncaught Exception', e);
  const d = document(e, 'trace');
  onReply = () => process.exit(1);
  socket.write(post('init/error', JSON.stringify(d), d.errorType));
}
