"""Whatever a raw resource or a stack that others made holds, a review of it does not fall over."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.plan.reviewing import make_plan

from fairway.cli.render.markdown import write_plan
from fairway.compile.tags import TAG_FORM
from fairway.define.file import Expect
from fairway.plan import review_plan
from fairway.plan.describe import describe_plan, describe_review
from fairway.plan.exposure import WAYS_IN
from fairway.plan.impact import HOLDS
from fairway.plan.saved import save_plan

KINDS = sorted(
    {
        *TAG_FORM,
        *WAYS_IN,
        *HOLDS,
        "AWS::IAM::Policy",
        "AWS::IAM::RolePolicy",
        "AWS::SQS::QueuePolicy",
    }
)
NAMES = [
    "Policies", "PolicyDocument", "AssumeRolePolicyDocument", "ManagedPolicyArns", "Statement",
    "Effect", "Action", "NotAction", "Resource", "Principal", "Condition", "Roles", "Scheme",
    "Subnets",
    "SecurityGroupIngress", "SecurityGroups", "VpcConfig", "CidrIp", "FromPort", "Body", "paths",
    "/a",
    "get", "Conditions", "PathPatternConfig", "Values", "Actions", "ListenerArn", "LoadBalancerArn",
    "MemorySize", "Architectures", "GlobalSecondaryIndexes", "PointInTimeRecoverySpecification",
    "BillingMode", "RetentionInDays", "SubnetIds", "VpcEndpointType", "Fn::GetAtt", "Fn::Sub",
    "Ref",
    "Fn::Join", "Fn::If", "FunctionName", "Tags", "Key", "Value", "KeyPolicy", "Bucket", "Type",
    "DistributionConfig", "Aliases", "NetworkConfiguration", "PublicAccessBlockConfiguration",
    "TimeToLiveSpecification", "AttributeName", "security",
]  # fmt: skip
TEXTS = ["Interface", "Allow", "*", "X", "X.Arn", "PAY_PER_REQUEST", "${X}", "0.0.0.0/0", "", "7"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 3), st.sampled_from(TEXTS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.fixed_dictionaries(
    {"Type": st.sampled_from(KINDS)},
    optional={
        "Properties": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
        "DeletionPolicy": st.sampled_from(["Retain", "Delete"]),
    },
)
RESOURCES = st.dictionaries(st.sampled_from(["X", "Y", "ApiRole"]), BODIES, max_size=3)
EXPECT = Expect(requests="1 per second", duration="1s", response="1KB", logs="1KB", reads=1,
                writes=1, stored="1GB")  # fmt: skip


@settings(max_examples=400)
@given(RESOURCES, RESOURCES)
def test_any_template_can_be_reviewed(before: dict[str, Any], after: dict[str, Any]) -> None:
    plan = make_plan(before, after, expect=EXPECT, components={"ApiRole": "api"})
    describe_review(review_plan(plan))
    describe_plan(plan)
    save_plan(plan)
    write_plan(plan)
