"""The classic walk-through: change the colour, deploy, and watch the answers change."""

MESSAGE = "Hello From Blue Deployment"


def handler(event, context):
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": f"{MESSAGE} (version {context.function_version})\n",
    }
