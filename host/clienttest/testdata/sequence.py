"""The life of a function as boto3 sees it: sequence.py ENDPOINT FIRST.zip SECOND.zip"""
import json
import sys
import urllib.request

import boto3
from botocore.config import Config

endpoint, first, second = sys.argv[1:4]
client = boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1",
                      config=Config(retries={"total_max_attempts": 1}))
fast = {"Delay": 1, "MaxAttempts": 120}
ARN = "arn:aws:lambda:us-east-1:000000000000:function:boto-fn"


def expect(got, want, what):
    if got != want:
        sys.exit(f"{what} is {got!r}, want {want!r}")


def read(name):
    with open(name, "rb") as f:
        return f.read()


def invoke(**kwargs):
    out = client.invoke(FunctionName="boto-fn", **kwargs)
    return out, out["Payload"].read().decode()


def refused(kind, call, **kwargs):
    try:
        call(**kwargs)
    except kind as e:
        return e.response
    sys.exit(f"{kind.__name__} was not raised for {kwargs}")


made = client.create_function(
    FunctionName="boto-fn", Runtime="provided.al2023", Role="arn:aws:iam::000000000000:role/test",
    Handler="bootstrap", Code={"ZipFile": read(first)}, Tags={"team": "a"}, Timeout=10, MemorySize=256)
expect(made["ResponseMetadata"]["HTTPStatusCode"], 201, "status of create")
expect((made["State"], made["Timeout"], made["MemorySize"]), ("Pending", 10, 256), "create")
client.get_waiter("function_exists").wait(FunctionName="boto-fn")
client.get_waiter("function_active").wait(FunctionName="boto-fn", WaiterConfig=fast)
client.get_waiter("function_active_v2").wait(FunctionName="boto-fn", WaiterConfig=fast)

got = client.get_function(FunctionName=ARN)
expect(got["Configuration"]["LastUpdateStatus"], "Successful", "LastUpdateStatus")
with urllib.request.urlopen(got["Code"]["Location"]) as r:
    expect(r.read() == read(first), True, "the download being the upload")

out, payload = invoke(Payload=b'{"n":1}', LogType="Tail")
expect((out["StatusCode"], out["ExecutedVersion"]), (200, "$LATEST"), "invoke")
expect(json.loads(payload)["event"], {"n": 1}, "event")
expect("LogResult" in out and "FunctionError" not in out, True, "log without error")
out, payload = invoke(Payload='{"fail":true}')
expect((out["FunctionError"], json.loads(payload)["errorMessage"]), ("Unhandled", "failed as asked"), "function error")
out, payload = invoke()
expect(json.loads(payload)["event"], {}, "event without payload")
out, payload = invoke(InvocationType="Event", Payload="{}")
expect((out["StatusCode"], payload, "ExecutedVersion" in out), (202, "", False), "event")
expect(invoke(InvocationType="DryRun")[0]["StatusCode"], 204, "dry run")
expect(client.invoke_async(FunctionName="boto-fn", InvokeArgs=b"{}")["Status"], 202, "invoke_async")

version = client.publish_version(FunctionName="boto-fn")
expect((version["Version"], version["FunctionArn"]), ("1", ARN + ":1"), "version")
client.get_waiter("published_version_active").wait(FunctionName="boto-fn", Qualifier="1")
updated = client.update_function_code(FunctionName="boto-fn", ZipFile=read(second))
expect(updated["LastUpdateStatus"], "InProgress", "LastUpdateStatus")
client.get_waiter("function_updated").wait(FunctionName="boto-fn", WaiterConfig=fast)
expect(invoke(Payload="[1]")[1], "[1]", "answer of the new code")
client.update_function_configuration(FunctionName="boto-fn", Environment={"Variables": {"GREETING": "hi"}})
client.get_waiter("function_updated_v2").wait(FunctionName="boto-fn", WaiterConfig=fast)

alias = client.create_alias(FunctionName="boto-fn", Name="live", FunctionVersion="1")
expect(alias["AliasArn"], ARN + ":live", "alias")
out, payload = invoke(Qualifier="live", Payload="{}")
expect((out["ExecutedVersion"], json.loads(payload)["arn"]), ("1", ARN + ":live"), "invoke of the alias")
expect(client.get_function(FunctionName="boto-fn", Qualifier="live")["Configuration"]["FunctionArn"], ARN + ":live", "ARN")
mismatch = refused(client.exceptions.InvalidParameterValueException, client.invoke, FunctionName="boto-fn:live", Qualifier="1")
expect(mismatch["Error"]["Message"], "The derived qualifier from the function name does not match the specified qualifier.", "message")
conflict = refused(client.exceptions.ResourceConflictException, client.delete_function, FunctionName="boto-fn", Qualifier="1")
expect(conflict["ResponseMetadata"]["HTTPStatusCode"], 409, "status of conflict")
client.delete_alias(FunctionName="boto-fn", Name="live")
client.delete_function(FunctionName="boto-fn", Qualifier="1")

client.tag_resource(Resource=ARN, Tags={"k": "v"})
client.untag_resource(Resource=ARN, TagKeys=["team"])
expect(client.list_tags(Resource=ARN)["Tags"], {"k": "v"}, "tags")
pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
expect([f["FunctionName"] for p in pages for f in p["Functions"]], ["boto-fn"], "list")
expect(client.get_account_settings()["AccountUsage"]["FunctionCount"], 1, "count")

refused(client.exceptions.InvalidRequestContentException, client.invoke, FunctionName="boto-fn", Payload="{broken")
refused(client.exceptions.RequestTooLargeException, client.invoke, FunctionName="boto-fn", Payload=b'"' + b"x" * 6291456 + b'"')
missing = refused(client.exceptions.ResourceNotFoundException, client.invoke, FunctionName="nope", Payload="{}")
expect(missing["Error"]["Message"], "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope:$LATEST", "message")
invalid = refused(client.exceptions.ClientError, client.create_alias, FunctionName="boto-fn", Name="2024", FunctionVersion="1")
expect(invalid["Error"]["Code"], "ValidationException", "code")

client.delete_function(FunctionName="boto-fn")
refused(client.exceptions.ResourceNotFoundException, client.get_function, FunctionName="boto-fn")
print("done")
