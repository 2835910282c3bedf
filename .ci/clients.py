"""A release by hand through boto3: create, publish, alias with weights, invoke, state machine, execution."""
import collections, io, json, time, uuid, zipfile

import boto3


def bundle(colour):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        z.writestr("index.py", f"def handler(event, context):\n    return {{'colour': '{colour}', 'version': context.function_version}}\n")
    return b.getvalue()


fn, sfn, sts = (boto3.client(s) for s in ("lambda", "stepfunctions", "sts"))
account = sts.get_caller_identity()["Account"]
role, name = f"arn:aws:iam::{account}:role/r", "boto-" + uuid.uuid4().hex[:8]

fn.create_function(FunctionName=name, Runtime="python3.12", Handler="index.handler", Role=role, Code={"ZipFile": bundle("blue")})
fn.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
one = fn.publish_version(FunctionName=name)["Version"]
again = fn.publish_version(FunctionName=name)["Version"]
assert one == again == "1", (one, again)
fn.update_function_code(FunctionName=name, ZipFile=bundle("green"))
fn.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
two = fn.publish_version(FunctionName=name)["Version"]
assert two == "2", two

alias = fn.create_alias(FunctionName=name, Name="live", FunctionVersion=one, RoutingConfig={"AdditionalVersionWeights": {two: 0.1}})
seen = collections.Counter()
for _ in range(1000):
    answer = fn.invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
    body = json.load(answer["Payload"])
    assert body["version"] == answer["ExecutedVersion"], (body, answer["ExecutedVersion"])
    seen[answer["ExecutedVersion"]] += 1
assert 60 < seen["2"] < 150, f"10 % of 1000 were {seen['2']}"  # beyond four standard deviations either way
try:
    fn.update_alias(FunctionName=name, Name="live", FunctionVersion=two, RevisionId="stale")
    raise SystemExit("a stale RevisionId was accepted")
except fn.exceptions.PreconditionFailedException:
    pass
fn.update_alias(FunctionName=name, Name="live", FunctionVersion=two, RoutingConfig={"AdditionalVersionWeights": {}}, RevisionId=alias["RevisionId"])
assert {fn.invoke(FunctionName=name, Qualifier="live")["ExecutedVersion"] for _ in range(50)} == {"2"}
try:
    fn.delete_function(FunctionName=name, Qualifier=two)
    raise SystemExit("a version that an alias names was deleted")
except fn.exceptions.ResourceConflictException:
    pass

task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "OutputPath": "$.Payload", "End": True}
definition = lambda v: json.dumps({"StartAt": "Ask", "States": {"Ask": {**task, "Parameters": {"FunctionName": f"{name}:{v}", "Payload.$": "$"}}}})
made = sfn.create_state_machine(name=name, roleArn=role, definition=definition(one), publish=True)
blue = made["stateMachineVersionArn"]
green = sfn.update_state_machine(stateMachineArn=made["stateMachineArn"], definition=definition(two), publish=True)["stateMachineVersionArn"]
live = sfn.create_state_machine_alias(name="live", routingConfiguration=[
    {"stateMachineVersionArn": blue, "weight": 50}, {"stateMachineVersionArn": green, "weight": 50}])["stateMachineAliasArn"]
colours = {blue: "blue", green: "green"}
seen = collections.Counter()
for _ in range(40):
    run = sfn.start_execution(stateMachineArn=live, input="{}")["executionArn"]
    while (d := sfn.describe_execution(executionArn=run))["status"] == "RUNNING":
        time.sleep(0.01)
    assert d["status"] == "SUCCEEDED", d
    assert d["stateMachineAliasArn"] == live
    assert json.loads(d["output"])["colour"] == colours[d["stateMachineVersionArn"]], d
    seen[colours[d["stateMachineVersionArn"]]] += 1
assert len(seen) == 2, seen
print("boto3:", dict(seen), "executions by colour")

# JSONata, a distributed Map, a task that fails until it is mended and is redriven, a synchronous Express workflow, and a state tried alone.
from botocore.config import Config


def ended(arn):
    while (d := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.01)
    return d


def machine(suffix, definition, kind="STANDARD"):
    return sfn.create_state_machine(name=f"{name}-{suffix}", roleArn=role, type=kind, definition=json.dumps(definition))["stateMachineArn"]


double = {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": True}
children = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "Double", "States": {"Double": double}}
doubled = {"Type": "Map", "Items": "{% [1..$states.input.n] %}", "ItemProcessor": children, "Output": "{% $sum($states.result) %}", "End": True}
run = sfn.start_execution(stateMachineArn=machine("map", {"QueryLanguage": "JSONata", "StartAt": "All", "States": {"All": doubled}}), input='{"n": 100}')
assert (d := ended(run["executionArn"]))["status"] == "SUCCEEDED" and json.loads(d["output"]) == 10100, d
counts = sfn.describe_map_run(mapRunArn=sfn.list_map_runs(executionArn=run["executionArn"])["mapRuns"][0]["mapRunArn"])["itemCounts"]
assert counts["succeeded"] == counts["total"] == 100, counts

late = name + "-late"  # there is no such function yet
tried = machine("redriven", {"StartAt": "Ask", "States": {"Ask": {**task, "Parameters": {"FunctionName": late}}}})
run = sfn.start_execution(stateMachineArn=tried)["executionArn"]
assert (d := ended(run))["status"] == "FAILED" and d["redriveStatus"] == "REDRIVABLE", d
fn.create_function(FunctionName=late, Runtime="python3.12", Handler="index.handler", Role=role, Code={"ZipFile": bundle("late")})
fn.get_waiter("function_active_v2").wait(FunctionName=late, WaiterConfig={"Delay": 1})
sfn.redrive_execution(executionArn=run)
assert (d := ended(run))["status"] == "SUCCEEDED" and d["redriveCount"] == 1 and json.loads(d["output"])["colour"] == "late", d

sync = boto3.client("stepfunctions", config=Config(inject_host_prefix=False))  # else the SDK calls sync-127.0.0.1
d = sync.start_sync_execution(stateMachineArn=machine("sync", {"QueryLanguage": "JSONata", "StartAt": "Double", "States": {"Double": double}}, "EXPRESS"), input="21")
assert d["status"] == "SUCCEEDED" and d["output"] == "42" and d["billingDetails"]["billedMemoryUsedInMB"] == 64, d
d = sync.test_state(definition=json.dumps({"QueryLanguage": "JSONata", **double}), roleArn=role, input="4", inspectionLevel="DEBUG")
assert d["status"] == "SUCCEEDED" and d["output"] == "8", d
print("boto3: JSONata, a Map of 100 items, a redrive, a synchronous execution and a state alone")

# CodeDeploy: a deployment with a hook that tells its result itself, and one that is taken back.
HOOK = """
import json, os, urllib.request
def handler(event, context):
    body = {"deploymentId": event["DeploymentId"], "lifecycleEventHookExecutionId": event["LifecycleEventHookExecutionId"], "status": os.environ["RESULT"]}
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(body).encode(), {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus",
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/codedeploy/aws4_request, SignedHeaders=host, Signature=0"}))
"""
cd = boto3.client("codedeploy")
for result in ("Succeeded", "Failed"):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        z.writestr("index.py", HOOK)
    fn.create_function(FunctionName=f"{name}-{result}", Runtime="python3.12", Handler="index.handler", Role=role, Timeout=20,
                       Code={"ZipFile": b.getvalue()}, Environment={"Variables": {"RESULT": result}})
cd.create_application(applicationName=name, computePlatform="Lambda")
cd.create_deployment_group(applicationName=name, deploymentGroupName="live", serviceRoleArn=role,
                           deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
                           deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce",
                           autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]})
for current, target, result in ((two, one, "Succeeded"), (one, two, "Failed")):
    content = json.dumps({"version": 0.0, "Hooks": [{"AfterAllowTraffic": f"{name}-{result}"}], "Resources": [{"f": {
        "Type": "AWS::Lambda::Function", "Properties": {"Name": name, "Alias": "live", "CurrentVersion": current, "TargetVersion": target}}}]})
    made = cd.create_deployment(applicationName=name, deploymentGroupName="live",
                                revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}})["deploymentId"]
    info = cd.get_deployment(deploymentId=made)["deploymentInfo"]
    while info["status"] in ("Created", "InProgress"):
        time.sleep(0.05)
        info = cd.get_deployment(deploymentId=made)["deploymentInfo"]
    assert info["status"] == result, info
    if result == "Failed":
        assert info["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE", info
        cd.get_waiter("deployment_successful").wait(deploymentId=info["rollbackInfo"]["rollbackDeploymentId"], WaiterConfig={"Delay": 1})
    lambda_target = cd.get_deployment_target(deploymentId=made, targetId=name)["deploymentTarget"]["lambdaTarget"]
    assert lambda_target["lifecycleEvents"][2]["status"] == result, lambda_target
    assert fn.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == one
print("boto3: a deployment and a rollback by CodeDeploy")

sqs = boto3.client("sqs")
letters = sqs.create_queue(QueueName=name + "-letters")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})})["QueueUrl"]
sent = sqs.send_message(QueueUrl=url, MessageBody="bad", MessageAttributes={"colour": {"DataType": "String", "StringValue": "green"}})
for times in "12":
    got = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=20, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])["Messages"]
    assert got[0]["Attributes"]["ApproximateReceiveCount"] == times and got[0]["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"], got
assert "Messages" not in sqs.receive_message(QueueUrl=url)
letter = sqs.receive_message(QueueUrl=letters)["Messages"][0]
assert letter["MessageId"] == sent["MessageId"]
answer = sqs.delete_message_batch(QueueUrl=letters, Entries=[{"Id": "a", "ReceiptHandle": letter["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "nonsense"}])
assert [f["Code"] for f in answer["Failed"]] == ["ReceiptHandleIsInvalid"] and len(answer["Successful"]) == 1, answer
try:
    sqs.receive_message(QueueUrl=url + "-none")
    raise SystemExit("a queue that is not there was read")
except sqs.exceptions.QueueDoesNotExist as e:
    assert e.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue", e.response
fifo = sqs.create_queue(QueueName=name + ".fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
twice = [sqs.send_message(QueueUrl=fifo, MessageBody="once", MessageGroupId="g")["SequenceNumber"] for _ in "ab"]
assert twice[0] == twice[1] and len(sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]) == 1, twice
print("boto3: queues")

# A REST API and an HTTP API in front of an alias with weights 90/10; both need the alias's permission, and every answer tells its version.
import concurrent.futures, http.client, os, urllib.error, urllib.parse, urllib.request

endpoint = os.environ["AWS_ENDPOINT_URL"]


def count(path):
    """Calls an API 2,500 times over one connection and counts the versions that answered; each answer tells its own."""
    seen, connection = collections.Counter(), http.client.HTTPConnection(urllib.parse.urlsplit(endpoint).netloc)
    for _ in range(2500):
        connection.request("GET", path)
        answer = connection.getresponse()
        version, body = answer.headers["x-teal-executed-version"], answer.read().decode()
        assert answer.status == 200 and body == version, (answer.status, version, body)
        seen[version] += 1
    return seen


front = name + "-front"
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as z:
    z.writestr("index.py", "def handler(event, context):\n    return {'statusCode': 200, 'body': context.function_version}\n")
fn.create_function(FunctionName=front, Runtime="python3.12", Handler="index.handler", Role=role, Code={"ZipFile": code.getvalue()})
fn.get_waiter("function_active_v2").wait(FunctionName=front, WaiterConfig={"Delay": 1})
fn.publish_version(FunctionName=front)
fn.update_function_configuration(FunctionName=front, Description="second")
fn.get_waiter("function_updated_v2").wait(FunctionName=front, WaiterConfig={"Delay": 1})
fn.publish_version(FunctionName=front)
target = fn.create_alias(FunctionName=front, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}})["AliasArn"]

rest, gateway = boto3.client("apigateway"), boto3.client("apigatewayv2")
api = rest.create_rest_api(name=name)
uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{target}/invocations"
resource = rest.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="{proxy+}")["id"]
rest.put_method(restApiId=api["id"], resourceId=resource, httpMethod="ANY", authorizationType="NONE")
rest.put_integration(restApiId=api["id"], resourceId=resource, httpMethod="ANY", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
rest.create_deployment(restApiId=api["id"], stageName="prod")
quick = gateway.create_api(Name=name, ProtocolType="HTTP", Target=target)
for kind, id, path in (("REST", api["id"], "/prod/x"), ("HTTP", quick["ApiId"], "/")):
    url = f"{endpoint}/_aws/execute-api/{id}{path}"
    try:
        urllib.request.urlopen(url)
        raise SystemExit(f"the {kind} API invoked a function without its permission")
    except urllib.error.HTTPError as e:
        assert e.code == 500, e.code
    fn.add_permission(FunctionName=front, Qualifier="live", StatementId=kind, Action="lambda:InvokeFunction",
                      Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:{account}:{id}/*")
    seen = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(4) as callers:
        for part in callers.map(count, [f"/_aws/execute-api/{id}{path}"] * 4):
            seen += part
    chi_square = sum((seen[v] - n) ** 2 / n for v, n in (("1", 9000), ("2", 1000)))
    assert sum(seen.values()) == 10000 and chi_square < 19.5, f"10 % of 10,000 through the {kind} API were {seen['2']}"  # chance: 1 in 100,000
    print("boto3:", kind, "API", dict(seen))
