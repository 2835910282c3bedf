"""Runs one Python handler and speaks the Lambda Runtime API.

Only what nearly every handler imports anyway is imported here: the start of the interpreter is nearly all of a cold
start. An answer travels together with the request for the next event, in one packet.
"""
import sys
import os
import time
import json

try:
    import _socket as socket  # the socket module itself costs milliseconds
except ImportError:
    import socket


def await_function():
    """An interpreter started ahead learns its function: the environment variables come as JSON on descriptor 3."""
    import importlib.util  # what most functions need, as long as there is time
    import traceback, logging, datetime, decimal, threading  # noqa: E401,F401
    parts = []
    while True:
        part = os.read(3, 65536)
        if not part:
            break
        parts.append(part)
    os.close(3)
    if not parts:
        os._exit(0)  # the platform has ended
    os.environ.clear()
    os.environ.update(json.loads(b"".join(parts)))
    time.tzset()
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])


if sys.argv[1:] == ["ahead"]:
    await_function()
sys.argv[1:] = []
TASK_ROOT = os.environ["LAMBDA_TASK_ROOT"]
JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
SHOWN_ROOT = "/var/task"  # where the code lies on AWS, and so in stack traces
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"


class Connection:
    """One keep-alive connection to the Runtime API."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.connect((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send = self.sock.sendall
        self.rest = b""

    def receive(self):
        """Returns status, headers by lower-case name, and body of the next response."""
        data = self.rest
        recv = self.sock.recv
        end = data.find(b"\r\n\r\n")
        while end < 0:
            more = recv(65536)
            if not more:
                raise EOFError("the Runtime API has closed the connection")
            data += more
            end = data.find(b"\r\n\r\n")
        lines = data[:end].decode("utf-8", "replace").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        size = int(headers.get("content-length", 0))
        start = end + 4
        if len(data) - start < size:
            body = bytearray(size)
            have = len(data) - start
            body[:have] = data[start:]
            view = memoryview(body)
            while have < size:
                n = self.sock.recv_into(view[have:])
                if not n:
                    raise EOFError("the Runtime API has closed the connection")
                have += n
            self.rest = b""
        else:
            body = data[start:start + size]
            self.rest = data[start + size:]
        return int(lines[0].split(" ", 2)[1]), headers, body


def post(path, body, error_type=None):
    head = "POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n" % path
    if error_type:
        head += "Lambda-Runtime-Function-Error-Type: %s\r\n" % error_type
    return b"%sContent-Length: %d\r\n\r\n%s" % (head.encode(), len(body), body)


class RuntimeFault(Exception):
    """A failure for which AWS has an error type of its own."""

    def __init__(self, error_type, message, trace=()):
        Exception.__init__(self, message)
        self.error_type = error_type
        self.trace = list(trace)


def plain(value):
    """Makes JSON of what the json module does not know."""
    if type(value).__name__ == "Decimal":
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def dump(value):
    text = json.dumps(value, ensure_ascii=False, default=plain)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value, default=plain).encode("ascii")


def now():
    t = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + ".%03dZ" % (t % 1 * 1000)


def shown(name):
    return SHOWN_ROOT + name[len(TASK_ROOT):] if name.startswith(TASK_ROOT + "/") else name


def frames(error):
    """The stack of an error, without this file's frames."""
    import traceback
    out = []
    for f in traceback.extract_tb(error.__traceback__):
        if f.filename == __file__ or "importlib" in f.filename:
            continue
        text = '  File "%s", line %d, in %s\n' % (shown(f.filename), f.lineno or 0, f.name)
        if f.line:
            text += "    %s\n" % f.line.strip()
        out.append(text)
    return out


def fault(error, request_id):
    """Logs an error as AWS does and gives its document and type."""
    if isinstance(error, RuntimeFault):
        kind, stack = error.error_type, error.trace
    else:
        kind, stack = type(error).__name__, frames(error)
    try:
        message = str(error)
    except Exception:
        message = "<unprintable %s>" % kind
    if JSON_LOGS:
        sys.stdout.write(dump({
            "timestamp": now(), "log_level": "ERROR", "errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack,
        }).decode("utf-8", "replace") + "\n")
    else:
        sys.stdout.write("[ERROR] %s: %s\nTraceback (most recent call last):\n%s\n" % (kind, message, "".join(stack).rstrip("\n")))
    flush()
    return dump({"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}), kind


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def load(name):
    """Imports the handler, module.function or folder/module.function."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise RuntimeFault("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name = module_name.replace("/", ".")
    import importlib
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            raise RuntimeFault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
        module = importlib.import_module(module_name)
    except ImportError as e:
        raise RuntimeFault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, e)) from e
    except SyntaxError as e:
        at = '  File "%s" Line %s\n    %s' % (shown(str(e.filename)), e.lineno, e.text)
        raise RuntimeFault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e), [at]) from None
    try:
        return getattr(module, function)
    except AttributeError:
        raise RuntimeFault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module_name)) from None


class ClientInfo:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __init__(self, d):
        for name in self.__slots__:
            setattr(self, name, d.get(name))


class ClientContext:
    __slots__ = ("custom", "env", "client")

    def __init__(self, d):
        self.custom = d.get("custom")
        self.env = d.get("env")
        self.client = ClientInfo(d["client"]) if isinstance(d.get("client"), dict) else None


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, d):
        self.cognito_identity_id = d.get("cognitoIdentityId")
        self.cognito_identity_pool_id = d.get("cognitoIdentityPoolId")


class LambdaContext:
    """The context object of AWS's Python runtime."""

    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self._epoch_deadline_time_in_ms = int(headers["lambda-runtime-deadline-ms"])
        client = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(client)) if client else None
        identity = headers.get("lambda-runtime-cognito-identity")
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        return "LambdaContext([%s])" % ",".join("%s=%s" % (k, v) for k, v in sorted(vars(self).items()) if not k.startswith("_"))


current_request = ""


def configure_logging(logging):
    """Gives the root logger the handler and the format of AWS's Python runtime."""

    class Filter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = current_request
            return True

    class Handler(logging.Handler):
        def emit(self, record):
            try:
                sys.stdout.write(self.format(record))
                sys.stdout.flush()
            except Exception:
                self.handleError(record)

    class JSONFormatter(logging.Formatter):
        known = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id"}

        def format(self, record):
            t = time.gmtime(record.created)
            out = {
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", t) + ".%03dZ" % record.msecs, "level": record.levelname,
                "message": record.getMessage(), "logger": record.name,
            }
            if record.exc_info:
                kind, error, _ = record.exc_info
                out["stackTrace"] = frames(error)
                out["errorType"], out["errorMessage"] = kind.__name__, str(error)
                out["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
            if record.aws_request_id:
                out["requestId"] = record.aws_request_id
            for k, v in vars(record).items():
                if k not in self.known and k not in out:
                    out[k] = v
            return json.dumps(out, ensure_ascii=False, default=str) + "\n"

    handler = Handler()
    if JSON_LOGS:
        handler.setFormatter(JSONFormatter())
        handler.addFilter(Filter())
        logging.root.addHandler(handler)
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        logging.root.setLevel({"TRACE": logging.NOTSET, "FATAL": logging.CRITICAL}.get(level, level))
        return
    formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(Filter())
    logging.root.addHandler(handler)


class LoggingHook:
    """Configures logging when something imports it: most handlers never do, and it costs milliseconds."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(LoggingHook)
        import importlib.util
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                configure_logging(module)

            spec.loader.exec_module = exec_module
        return spec


def main():
    global current_request
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    if "logging" in sys.modules:
        configure_logging(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, LoggingHook)
    sys.path[0] = TASK_ROOT
    for extra in ("/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2], "/opt/python"):
        if os.path.isdir(extra):
            sys.path.insert(1, extra)

    connection = Connection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as e:
        document, kind = fault(e, "")
        connection.send(post("init/error", document, kind))
        connection.receive()
        sys.exit(1)
    flush()

    connection.send(NEXT)
    trace = None
    while True:
        status, headers, body = connection.receive()
        if status == 202:
            continue
        if status != 200:
            if current_request and status in (400, 413):
                continue  # the answer was refused; its caller knows, and the next event comes
            sys.exit("the Runtime API answered with status %d: %s" % (status, bytes(body).decode("utf-8", "replace")))
        request_id = current_request = headers["lambda-runtime-aws-request-id"]
        if headers.get("lambda-runtime-trace-id") != trace:
            trace = headers.get("lambda-runtime-trace-id")
            if trace:
                os.environ["_X_AMZN_TRACE_ID"] = trace
            else:
                os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            try:
                event = json.loads(body) if body else {}
            except ValueError as e:
                raise RuntimeFault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % e) from None
            result = handler(event, LambdaContext(headers))
            try:
                answer = dump(result)
            except Exception as e:
                raise RuntimeFault("Runtime.MarshalError", "Unable to marshal response: %s" % e) from None
            message = post("invocation/%s/response" % request_id, answer)
        except Exception as e:
            document, kind = fault(e, request_id)
            message = post("invocation/%s/error" % request_id, document, kind)
        flush()
        connection.send(message + NEXT)


main()
