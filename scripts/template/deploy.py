"""Puts the stack up in moto's CloudFormation, once for every set of parameters
that switches conditions, and fails when something does not resolve.

What CloudFormation does with the template is done here in its order: the SAM
transform (the real one, offline), packaging (the code of the functions and the
templates of the stacks below go to a bucket), creation. What is replaced, and
nothing else: the code is an empty archive, and the resource types of STAND_INS,
which moto's CloudFormation does not know, become records of their properties;
and it learns what Ref of an event bus is and to read the outputs of a stack.

With a file as argument, the roles as they were put up by default are written
there, for the check of the permissions.
"""

import ast
import io
import json
import logging
import os
import sys
import uuid
import zipfile
from pathlib import Path

REGION = "eu-central-1"
os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none", AWS_DEFAULT_REGION=REGION)

import boto3
from moto import mock_aws
from moto.cloudformation.models import Stack
from moto.core.common_models import CloudFormationModel
from moto.events.models import EventBus
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
STACK = "entrasync-check"
BUCKET = "deployment"
CLIENT = {"EntraClientId": "7f1d5c2e-0a4b-4c61-9a58-3d2f6b1e8c90"}

# What is put up: the defaults, and everything the other way round.
VARIANTS = {
    "defaults": CLIENT,
    "jwt, certificate, alarms by e-mail": CLIENT
    | {
        "ApiAuth": "jwt",
        "ApiJwtIssuer": "https://issuer.example/",
        "ApiJwtAudience": "one,two",
        "ApiJwtScopes": "entrasync",
        "EntraSignIn": "certificate",
        "PublishActions": "true",
        "AlarmEmail": "admin@example.com",
        "MailFrom": "entrasync@mail.example.com",
        "MailIdentity": "example.com",
    },
    "mail from an identity of the stack": CLIENT | {"MailFrom": "entrasync@example.com"},
}

# The routes that need no token of the issuer, with ApiAuth jwt: the functions check
# what comes over them, or there is nothing to protect.
OPEN_ROUTES = {"ANY /webhooks/jumpcloud/{organizationId}", "GET /healthz", "GET /openapi.json", "GET /v1/imports/{jobId}/results",
    "GET /v1/authorize/callback"}

# Resource types unknown to moto's CloudFormation, with the attributes that
# Fn::GetAtt may ask for (AWS CloudFormation resource reference).
STAND_INS = {
    "AWS::ApiGatewayV2::Api": {"ApiEndpoint": "https://api.example"},
    "AWS::ApiGatewayV2::Authorizer": {},
    "AWS::ApiGatewayV2::Integration": {},
    "AWS::ApiGatewayV2::Route": {},
    "AWS::ApiGatewayV2::Stage": {},
    "AWS::CloudWatch::Alarm": {},
    "AWS::Lambda::EventInvokeConfig": {},
    "AWS::Logs::MetricFilter": {},
    "AWS::S3::BucketPolicy": {},
    "AWS::SES::EmailIdentity": {},
    "AWS::SecretsManager::Secret": {},
    "AWS::SNS::Subscription": {},
    "AWS::Scheduler::Schedule": {},
}

# Resource types to which moto gives no physical id.
WITHOUT_ID = {"AWS::Lambda::Permission"}


def stand_in(resource_type, attributes):
    """Makes a class that moto's CloudFormation takes for a resource type."""

    class StandIn(CloudFormationModel):
        __module__ = "moto.cloudformation.models"  # moto reads the service from it
        made = []

        def __init__(self, properties):
            self.properties = properties
            self.physical_resource_id = uuid.uuid4().hex[:10]
            StandIn.made.append(self)

        @staticmethod
        def cloudformation_name_type():
            return ""

        @staticmethod
        def cloudformation_type():
            return resource_type

        @classmethod
        def has_cfn_attr(cls, attr):
            return attr in attributes

        def get_cfn_attribute(self, attr):
            return attributes[attr]

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
            return cls(cloudformation_json.get("Properties", {}))

        def is_created(self):
            return True

    return StandIn


def output(stack, attribute):
    """Fn::GetAtt of an output of a stack below."""
    outputs = {"Outputs." + o.key: o.value for o in stack.output_map.values()}
    return outputs[attribute]


def read(path):
    return yaml_parse((ROOT / path).read_text())


def package(template, s3):
    """Does what sam package does, with an empty archive as the code."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("bootstrap", "")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="code.zip", Body=archive.getvalue())
    template["Globals"]["Function"]["CodeUri"] = f"s3://{BUCKET}/code.zip"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            path = resource["Properties"]["TemplateURL"]
            s3.put_object(Bucket=BUCKET, Key=path, Body=json.dumps(read(path)))
            resource["Properties"]["TemplateURL"] = f"https://s3.amazonaws.com/{BUCKET}/{path}"
    return template


def unresolved(value, where):
    """Names every place at which a value is missing or still a function."""
    if value is None:
        yield f"{where} is empty"
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "Ref" or key.startswith("Fn::"):
                yield f"{where} is still {key} {each}"
            else:
                yield from unresolved(each, f"{where}.{key}")
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from unresolved(each, f"{where}[{i}]")
    elif isinstance(value, str) and "${" in value.replace("${PROP(", ""):
        yield f"{where} is still {value}"


def put_up(parameters, more={}):
    """Puts the stack up, with more resources if given, and returns the templates that were used."""
    s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
    template = package(read("template.yaml"), s3)
    template["Resources"] |= more
    template = Translator({}, Parser()).translate(template, {})
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    below = [r["Properties"]["TemplateURL"].rsplit(BUCKET + "/")[1] for r in template["Resources"].values() if r["Type"] == "AWS::CloudFormation::Stack"]
    return [template] + [read(path) for path in below]


def check_stacks(templates):
    """Every resource whose condition holds exists, every output has a value."""
    client, problems, made = boto3.client("cloudformation"), [], set()
    stacks = client.describe_stacks()["Stacks"]
    if len(stacks) != len(templates):
        problems.append(f"{len(stacks)} stacks exist, not {len(templates)}")
    for stack in stacks:
        if stack["StackStatus"] != "CREATE_COMPLETE":
            problems.append(f"{stack['StackName']} is {stack['StackStatus']}")
        problems += unresolved({o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}, stack["StackName"])
        for resource in client.list_stack_resources(StackName=stack["StackName"])["StackResourceSummaries"]:
            made.add(resource["LogicalResourceId"])
            if resource["LogicalResourceId"] and not resource.get("PhysicalResourceId") and resource["ResourceType"] not in WITHOUT_ID:
                problems.append(f"{resource['LogicalResourceId']} was not made")
    for template in templates:
        for name, resource in template["Resources"].items():
            if name not in made and "Condition" not in resource:
                problems.append(f"{name} is missing")
    return problems, len(made)


def made(resource_type):
    """The properties of all resources of a type that a stand-in stands for."""
    return [each.properties for kind in MODELS if kind.cloudformation_type() == resource_type for each in kind.made]


def check_schedules():
    """Every schedule invokes a function that exists, in the name of a role that exists."""
    functions = {f["FunctionArn"] for f in boto3.client("lambda").list_functions()["Functions"]}
    roles = {r["Arn"] for r in boto3.client("iam").list_roles()["Roles"]}
    problems = []
    for schedule in made("AWS::Scheduler::Schedule"):
        target = schedule["Target"]
        if target["Arn"] not in functions:
            problems.append(f"the schedule {schedule.get('Name')} invokes {target['Arn']}, which does not exist")
        if target["RoleArn"] not in roles:
            problems.append(f"the schedule {schedule.get('Name')} runs as {target['RoleArn']}, which does not exist")
    return problems


def check_routes(parameters):
    """With ApiAuth jwt every route needs a token with a scope, but for those that are open on purpose."""
    if parameters.get("ApiAuth") != "jwt":
        return []
    guarded = lambda r: r.get("AuthorizationType") == "JWT" and r.get("AuthorizerId") and r.get("AuthorizationScopes")
    bare = {r["RouteKey"] for r in made("AWS::ApiGatewayV2::Route") if not guarded(r)}
    return [f"the route {key} needs no token" for key in sorted(bare - OPEN_ROUTES)] + [f"the route {key} needs a token" for key in sorted(OPEN_ROUTES - bare)]


def check_resources():
    """What the resources were made with holds no function and no gap."""
    problems = []
    for kind in MODELS:
        for each in kind.made:
            problems += unresolved(each.properties, kind.cloudformation_type())
    functions, queues = boto3.client("lambda"), boto3.client("sqs")
    for function in functions.list_functions()["Functions"]:
        problems += unresolved(function["Environment"], function["FunctionName"])
        problems += unresolved(function["Role"], function["FunctionName"])
    by_arn = {}
    for url in queues.list_queues()["QueueUrls"]:
        attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        by_arn[attributes["QueueArn"]] = attributes
    for source in functions.list_event_source_mappings()["EventSourceMappings"]:
        queue = by_arn.get(source["EventSourceArn"])
        function = functions.get_function_configuration(FunctionName=source["FunctionArn"])
        if queue is None:
            problems.append(f"{function['FunctionName']} is fed from {source['EventSourceArn']}, which does not exist")
            continue
        if int(queue["VisibilityTimeout"]) < 6 * function["Timeout"]:
            problems.append(f"{source['EventSourceArn']} hides messages for less than six times the time-out of {function['FunctionName']}")
        if "ReportBatchItemFailures" not in source.get("FunctionResponseTypes", []):
            problems.append(f"{function['FunctionName']} cannot say which message of a batch failed")
        dead = json.loads(queue.get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
        if dead not in by_arn:
            problems.append(f"{source['EventSourceArn']} has no dead-letter queue")
    return problems


def check_alarms_and_dashboard():
    """Alarms watch queues and functions that exist, and the dashboard is JSON."""
    cloudwatch, problems = boto3.client("cloudwatch"), []
    queues = {url.rsplit("/", 1)[1] for url in boto3.client("sqs").list_queues()["QueueUrls"]}
    functions = {f["FunctionName"] for f in boto3.client("lambda").list_functions()["Functions"]}
    alarms = made("AWS::CloudWatch::Alarm")
    watched = {(a["MetricName"], d["Value"]) for a in alarms for d in a.get("Dimensions", [])}
    for queue in queues:
        metric = "ApproximateNumberOfMessagesVisible" if queue.removesuffix(".fifo").endswith("-dead") else "ApproximateAgeOfOldestMessage"
        if (metric, queue) not in watched:
            problems.append(f"no alarm watches {metric} of {queue}")
    for function in functions:
        problems += [f"no alarm watches {m} of {function}" for m in ("Errors", "Throttles") if (m, function) not in watched]
    for schedule in made("AWS::Scheduler::Schedule"):
        function = schedule["Target"]["Arn"].rsplit(":", 1)[1]
        if ("Invocations", function) not in watched:
            problems.append(f"no alarm watches Invocations of {function}, which runs on a schedule")
    for alarm in alarms:
        for dimension in alarm.get("Dimensions", []):
            known = {"QueueName": queues, "FunctionName": functions}.get(dimension["Name"])
            if known is not None and dimension["Value"] not in known:
                problems.append(f"{alarm['AlarmName']} watches {dimension['Value']}, which does not exist")
    body = cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"]
    problems += unresolved(json.loads(body), "dashboard")
    shown = {arn.rsplit(":", 1)[1] for w in json.loads(body)["widgets"] if w["type"] == "alarm" for arn in w["properties"]["alarms"]}
    names = {alarm["AlarmName"] for alarm in alarms}
    problems += [f"the dashboard does not show the alarm {name}" for name in sorted(names - shown)]
    problems += [f"the dashboard shows the alarm {name}, which does not exist" for name in sorted(shown - names)]
    return problems


def check_logging(templates):
    """Lambda writes JSON to the function's own log group and drops no line."""
    problems = []
    for name, resource in templates[0]["Resources"].items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        logging = resource["Properties"].get("LoggingConfig", {})
        if logging.get("LogFormat") != "JSON" or logging.get("ApplicationLogLevel") != "TRACE":
            problems.append(f"{name} logs by {logging}: lines without a level, such as metrics, would be dropped")
        if logging.get("LogGroup") != {"Ref": name.removesuffix("Function") + "Logs"}:
            problems.append(f"{name} does not log to its own group")
    return problems


def check_buckets(templates):
    """Every bucket is private, encrypted and stays; it is open by TLS alone, and forgets its files after 30 days."""
    resources, problems = templates[0]["Resources"], []
    buckets = {name: r for name, r in resources.items() if r["Type"] == "AWS::S3::Bucket"}
    policies = {r["Properties"]["Bucket"]["Ref"]: r for r in resources.values() if r["Type"] == "AWS::S3::BucketPolicy"}
    if not buckets:
        problems.append("there is no bucket")
    for name, bucket in buckets.items():
        properties, policy = bucket["Properties"], policies.get(name, {"Properties": {"PolicyDocument": {"Statement": []}}})
        blocked = properties.get("PublicAccessBlockConfiguration", {})
        if [blocked.get(b) for b in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")] != [True] * 4:
            problems.append(f"{name} does not block all public access")
        if properties.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
            problems.append(f"{name} lets others own objects")
        if "BucketEncryption" not in properties:
            problems.append(f"{name} is not encrypted by a rule of its own")
        rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
        if not any(
            r["Status"] == "Enabled" and r.get("ExpirationInDays") == 30 and r.get("AbortIncompleteMultipartUpload") == {"DaysAfterInitiation": 1} and "Prefix" not in r
            for r in rules
        ):
            problems.append(f"{name} keeps files for longer than 30 days, or parts of uploads for longer than a day")
        denied = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": "${" + name + ".Arn}/*"}],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        if denied not in [{k: v for k, v in s.items() if k != "Sid"} for s in policy["Properties"]["PolicyDocument"]["Statement"]]:
            problems.append(f"{name} is open without TLS")
        for each in (bucket, policy):
            if (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
                problems.append(f"{name} does not stay with its policy when the stack is deleted")
    return problems


def allowed(role):
    """The statements of the policies of a role."""
    iam, statements = boto3.client("iam"), []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        # moto keeps the document as Python prints it, and None for AWS::NoValue.
        statements += [s for s in ast.literal_eval(document)["Statement"] if s]
    if iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        sys.exit(f"{role} has policies that are not written out")
    return statements


def trusted(role):
    """The services that may take a role."""
    document = boto3.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    services = []
    for statement in document["Statement"]:
        service = statement["Principal"]["Service"]
        services += service if isinstance(service, list) else [service]
    return services


def schedules(arn):
    """The schedules of a function, each with what its role may do and who may take it."""
    return [
        {
            "name": schedule.get("Name"),
            "expression": schedule["ScheduleExpression"],
            "state": schedule.get("State", "ENABLED"),
            "statements": allowed(schedule["Target"]["RoleArn"].rsplit("/", 1)[1]),
            "trusted": trusted(schedule["Target"]["RoleArn"].rsplit("/", 1)[1]),
        }
        for schedule in made("AWS::Scheduler::Schedule")
        if schedule["Target"]["Arn"] == arn
    ]


def roles():
    """Every function with its environment, what invokes it and what it may do."""
    functions, found = boto3.client("lambda"), {}
    for function in functions.list_functions()["Functions"]:
        found[function["FunctionName"].removeprefix(STACK + "-")] = {
            "arn": function["FunctionArn"],
            "timeout": function["Timeout"],
            "environment": {k: str(v) for k, v in function["Environment"]["Variables"].items()},
            "sources": [s["EventSourceArn"] for s in functions.list_event_source_mappings(FunctionName=function["FunctionName"])["EventSourceMappings"]],
            "schedules": schedules(function["FunctionArn"]),
            "statements": allowed(function["Role"].rsplit("/", 1)[1]),
        }
    return found


def main():
    problems, exported = [], {}
    for title, parameters in VARIANTS.items():
        for kind in MODELS:
            kind.made.clear()
        with mock_aws():
            templates = put_up(parameters)
            found, count = check_stacks(templates)
            found += check_logging(templates) + check_buckets(templates) + check_routes(parameters) + check_resources() + check_schedules() + check_alarms_and_dashboard()
            exported[title] = roles()
        print(f"  {title}: {count} resources")
        problems += [f"{title}: {problem}" for problem in found]
    for problem in problems:
        print(problem, file=sys.stderr)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(exported, indent=1))
    sys.exit(1 if problems else 0)


logging.getLogger("samtranslator").setLevel(logging.WARNING)
Stack.get_cfn_attribute = output
Stack.has_cfn_attr = classmethod(lambda cls, attribute: attribute.startswith("Outputs."))
MODELS = [stand_in(name, attributes) for name, attributes in STAND_INS.items()]
EventBus.physical_resource_id = property(lambda bus: bus.name)

if __name__ == "__main__":
    main()
