"""Puts the stack up with a sample function on a schedule, and with ones that are wrong,
and holds what deploy.py says against it; so with a bucket that is wrong.

What is written for the check of the permissions is the file that its own test
reads, so that the two mean the same.
"""

import json
import unittest
from unittest import mock

import deploy
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

SAMPLE = """
SampleFunction:
  Type: AWS::Serverless::Function
  Properties:
    FunctionName: !Sub "${AWS::StackName}-sample"
    Timeout: 60
    Role: !GetAtt Roles.Outputs.FanoutRoleArn
    LoggingConfig: {LogGroup: !Ref SampleLogs}
    Events:
      Daily:
        Type: ScheduleV2
        Properties: {Name: !Sub "${AWS::StackName}-sample", ScheduleExpression: rate(1 day)}
SampleLogs:
  Type: AWS::Logs::LogGroup
  Properties: {LogGroupName: !Sub "/aws/lambda/${AWS::StackName}-sample"}
"""
WRITTEN = deploy.ROOT / "scripts/template/permissions/testdata/scheduled.json"


class Scheduled(unittest.TestCase):
    def put_up(self, text):
        for kind in deploy.MODELS:
            kind.made.clear()
        mock = mock_aws()
        mock.start()
        self.addCleanup(mock.stop)
        return deploy.put_up(deploy.CLIENT, yaml_parse(text))

    def test_what_is_written_for_the_permissions(self):
        templates = self.put_up(SAMPLE)
        self.assertEqual(deploy.check_stacks(templates)[0] + deploy.check_resources() + deploy.check_schedules() + deploy.check_logging(templates), [])
        got = deploy.roles()["sample"]
        got["statements"] = []  # fanout's, of which others tests know
        self.assertEqual(json.loads(WRITTEN.read_text()), got)

    def test_a_function_on_a_schedule_is_watched(self):
        self.put_up(SAMPLE)
        problems = deploy.check_alarms_and_dashboard()
        for want in ("Errors", "Throttles", "Invocations"):
            self.assertTrue(any(f"no alarm watches {want} of entrasync-check-sample" in p for p in problems), problems)

    def test_a_schedule_that_invokes_nothing(self):
        self.put_up(SAMPLE)
        schedule = deploy.made("AWS::Scheduler::Schedule")[0]
        schedule["Target"] = {"Arn": schedule["Target"]["Arn"] + "s", "RoleArn": schedule["Target"]["RoleArn"] + "s"}
        problems = deploy.check_schedules()
        self.assertEqual([p.split(", ")[1] for p in problems], ["which does not exist"] * 2)


class Routes(unittest.TestCase):
    def test_a_route_without_a_token(self):
        jwt = {"ApiAuth": "jwt"}
        routes = [m for m in deploy.MODELS if m.cloudformation_type() == "AWS::ApiGatewayV2::Route"][0].made
        routes.clear()
        self.addCleanup(routes.clear)
        guard = {"AuthorizationType": "JWT", "AuthorizerId": "a", "AuthorizationScopes": ["s"]}
        for key in deploy.OPEN_ROUTES:
            routes.append(mock.Mock(properties={"RouteKey": key}))
        routes.append(mock.Mock(properties={"RouteKey": "$default"} | guard))
        self.assertEqual(deploy.check_routes(jwt), [])
        routes.append(mock.Mock(properties={"RouteKey": "ANY /v1/more"}))
        routes[0].properties |= guard
        self.assertEqual([p.rsplit(" needs ")[1] for p in deploy.check_routes(jwt)], ["no token", "a token"])
        self.assertEqual(deploy.check_routes({}), [])


class Buckets(unittest.TestCase):
    """Each part of the bucket's protection is missed when it is not there."""

    def wrong(self, change):
        template = deploy.read("template.yaml")
        change(template["Resources"])
        return deploy.check_buckets([template])

    def test_ours(self):
        self.assertEqual(self.wrong(lambda resources: None), [])

    def test_what_is_missing(self):
        for say, change in {
            "there is no bucket": lambda r: r.pop("ResultsBucket"),
            "does not block all public access": lambda r: r["ResultsBucket"]["Properties"]["PublicAccessBlockConfiguration"].update(BlockPublicPolicy=False),
            "lets others own objects": lambda r: r["ResultsBucket"]["Properties"].pop("OwnershipControls"),
            "is not encrypted": lambda r: r["ResultsBucket"]["Properties"].pop("BucketEncryption"),
            "keeps files for longer": lambda r: r["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"][0].update(ExpirationInDays=31),
            "parts of uploads": lambda r: r["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"][0].pop("AbortIncompleteMultipartUpload"),
            "is open without TLS": lambda r: r.pop("ResultsBucketPolicy"),
            "does not stay": lambda r: r["ResultsBucket"].pop("DeletionPolicy"),
        }.items():
            with self.subTest(say):
                problems = self.wrong(change)
                self.assertTrue(any(say in p for p in problems), problems)


if __name__ == "__main__":
    unittest.main()
