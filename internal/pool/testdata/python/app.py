import json
import os
import sys
import time

counter = 0


class CustomError(Exception):
    pass


def handler(event, context):
    global counter
    do = event["do"]
    if do == "echo":
        return event.get("echo")
    if do == "count":
        counter += 1
        return counter
    if do == "error":
        raise CustomError(event["arg"])
    if do == "marshal":
        return {1, 2}
    if do == "exit":
        os._exit(int(event["arg"]))
    if do == "log":
        import logging
        print("printed ä")
        sys.stderr.write("to stderr\n")
        if os.environ["AWS_LAMBDA_LOG_FORMAT"] != "JSON":
            logging.getLogger().setLevel("INFO")
        logging.info("logged %s", "here")
        return "logged"
    if do == "process":
        return [os.getpid(), sys.flags.utf8_mode, os.environ.get("MINE"), sys.argv[1:], time.tzname[0], sorted(os.listdir("/tmp")), os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE")]
    if do == "on term":
        import signal
        import socket

        def tell(*_):
            host, port = event["arg"].split(":")
            socket.create_connection((host, int(port)))
            os._exit(0)
        signal.signal(signal.SIGTERM, tell)
        return "will"
    if do == "context":
        return {
            "id": context.aws_request_id, "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis(),
            "name": context.function_name, "version": context.function_version, "memory": context.memory_limit_in_mb,
            "stream": context.log_stream_name, "group": context.log_group_name, "custom": context.client_context.custom,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"), "cwd": os.getcwd(), "exec": os.environ.get("AWS_EXECUTION_ENV"),
        }
    raise ValueError(do)


not_a_function = json
