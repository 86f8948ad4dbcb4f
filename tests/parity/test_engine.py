"""The CloudFormation engine: what it refuses, in which words, and what it leaves behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import ROLE, function, network, table, template

pytestmark = pytest.mark.slow

QUEUE: dict[str, Any] = {"Type": "AWS::SQS::Queue"}
TOPIC: dict[str, Any] = {"Type": "AWS::SNS::Topic"}


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def refuse_change_set(cloud: Cloud, stack: str, body: Any, **options: Any) -> tuple[str, str]:
    """Code and message of the error that CreateChangeSet answers."""
    client = cloud.client("cloudformation")
    with pytest.raises(ClientError) as refused:
        client.create_change_set(
            StackName=stack,
            ChangeSetName="c",
            ChangeSetType="CREATE",
            TemplateBody=body if isinstance(body, str) else json.dumps(body),
            **options,
        )
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


ANATOMY = "Template anatomy"


def faulty(name: str, page: str, body: Any, message: str, claim: str) -> Any:
    return pytest.param(body, message, id=name, marks=holds("CloudFormation", page, claim))


UNRESOLVED = "Template format error: Unresolved resource dependencies [{}] in the {} block"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        faulty("not-json", ANATOMY, "{", "Template format error: ",
               "a body that cannot be read is refused"),
        faulty("no-resources", ANATOMY, {"Resources": {}},
               "Template format error: At least one Resources member must be defined.",
               "a template without resources is refused"),
        faulty("section", ANATOMY, {"Resources": {"Q": QUEUE}, "Resurces": {}},
               "Invalid template property or properties [Resurces]",
               "an unknown section is refused"),
        faulty("member", "Resources", {"Resources": {"Q": {**QUEUE, "Propertys": {}}}},
               "Invalid template resource property 'Propertys'",
               "an unknown attribute of a resource is refused"),
        faulty("type", "AWS resource and property types reference",
               {"Resources": {"Q": {"Type": "AWS::SQS::Que"}}},
               "Template format error: Unrecognized resource types: [AWS::SQS::Que]",
               "an unknown type is refused"),
        faulty("ref", "Ref", {"Resources": {"Q": queue(QueueName={"Ref": "Nope"})}},
               UNRESOLVED.format("Nope", "Resources"),
               "a Ref that leads nowhere is refused"),
        faulty("ref-nested", "Ref",
               {"Resources": {"Q": queue(Tags=[{"Key": "a", "Value": {"Ref": "Nope"}}])}},
               UNRESOLVED.format("Nope", "Resources"),
               "a Ref deep in a property that leads nowhere is refused"),
        faulty("ref-output", "Outputs",
               {"Resources": {"Q": QUEUE}, "Outputs": {"O": {"Value": {"Ref": "Nope"}}}},
               UNRESOLVED.format("Nope", "Outputs"),
               "a Ref of an output that leads nowhere is refused"),
        faulty("depends", "DependsOn attribute", {"Resources": {"Q": {**QUEUE, "DependsOn": "X"}}},
               UNRESOLVED.format("X", "Resources"),
               "a DependsOn that leads nowhere is refused"),
        faulty("sub", "Fn::Sub", {"Resources": {"Q": queue(QueueName={"Fn::Sub": "a-${Nope}"})}},
               UNRESOLVED.format("Nope", "Resources"),
               "a variable of Fn::Sub that leads nowhere is refused"),
        faulty("sub-attribute", "Fn::Sub",
               {"Resources": {"Q": queue(QueueName={"Fn::Sub": "a-${Nope.Arn}"})}},
               "instance of Fn::Sub references invalid resource attribute Nope.Arn",
               "an attribute in Fn::Sub that leads nowhere is refused"),
        faulty("getatt", "Fn::GetAtt",
               {"Resources": {"Q": queue(QueueName={"Fn::GetAtt": ["Nope", "Arn"]})}},
               "Template error: instance of Fn::GetAtt references undefined resource Nope",
               "a Fn::GetAtt that leads nowhere is refused"),
        faulty("getatt-attribute", "Fn::GetAtt",
               {"Resources": {"Q": QUEUE, "R": queue(QueueName={"Fn::GetAtt": ["Q", "Nope"]})}},
               "Template error: resource Q does not support attribute type Nope in Fn::GetAtt",
               "an attribute that the type does not have is refused"),
        faulty("condition", "Condition functions",
               {"Resources": {"Q": {**QUEUE, "Condition": "Nope"}}},
               "Unresolved condition dependency Nope in the Resources block",
               "a condition that is not declared is refused"),
        faulty("circular", "DependsOn attribute",
               {"Resources": {"A": {**QUEUE, "DependsOn": "B"}, "B": {**QUEUE, "DependsOn": "A"}}},
               "Circular dependency between resources: [",
               "resources that wait for each other are refused"),
        faulty("mapping", "Fn::FindInMap",
               {"Mappings": {"M": {"a": {"b": "c"}}},
                "Resources": {"Q": queue(QueueName={"Fn::FindInMap": ["M", "a", "x"]})}},
               "Template error: Unable to get mapping for M::a::x",
               "a mapping without the key is refused"),
        faulty("parameter", "Parameters",
               {"Parameters": {"P": {"Type": "String"}}, "Resources": {"Q": QUEUE}},
               "Parameters: [P] must have values",
               "a parameter without a value is refused"),
        faulty("allowed-values", "Parameters",
               {"Parameters": {"P": {"Type": "String", "AllowedValues": ["a"], "Default": "b"}},
                "Resources": {"Q": QUEUE}},
               "must be one of AllowedValues",
               "a value outside AllowedValues is refused"),
        faulty("quota", "CloudFormation quotas",
               {"Resources": {f"Q{n}": QUEUE for n in range(501)}},
               "Number of resources, 501, is greater than maximum allowed, 500",
               "more than 500 resources are refused"),
    ],
)  # fmt: skip
def test_template_is_refused_before_anything_is_made(
    cloud: Cloud, stack: str, body: Any, message: str
) -> None:
    code, told = refuse_change_set(cloud, stack, body)
    assert code == "ValidationError"
    assert message in told
    names = {s["StackName"] for s in cloud.client("cloudformation").describe_stacks()["Stacks"]}
    assert stack not in names


@pytest.mark.parametrize(
    ("properties", "capabilities", "required"),
    [
        pytest.param({}, [], "CAPABILITY_IAM", id="none", marks=holds(
            "CloudFormation", "CreateChangeSet", "a role needs CAPABILITY_IAM")),
        pytest.param({"RoleName": "x"}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM", id="named",
                     marks=holds("CloudFormation", "CreateChangeSet",
                                 "a role with a name needs CAPABILITY_NAMED_IAM")),
    ],
)  # fmt: skip
def test_capabilities_are_required(
    cloud: Cloud, stack: str, properties: Any, capabilities: list[str], required: str
) -> None:
    made = {**ROLE, "Properties": {**ROLE["Properties"], **properties}}
    code, told = refuse_change_set(
        cloud, stack, template({"Role": made}), Capabilities=capabilities
    )
    assert code == "InsufficientCapabilitiesException"
    assert told == f"Requires capabilities : [{required}]"


# --- properties -------------------------------------------------------------------


def wrong(
    name: str, resource: Any, problem: str, claim: str, service: str = "CloudFormation"
) -> Any:
    page = "Validate stack deployments" if service == "CloudFormation" else resource["Type"]
    return pytest.param(resource, problem, id=name, marks=holds(service, page, claim))


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        wrong("unknown", queue(VisibilityTimeOut=1),
              "#: extraneous key [VisibilityTimeOut] is not permitted",
              "an unknown property fails before anything is made"),
        wrong("unknown-nested", table(StreamSpecification={"View": "KEYS_ONLY"}),
              "#/StreamSpecification: extraneous key [View] is not permitted",
              "an unknown property of a property fails"),
        wrong("missing", {"Type": "AWS::EC2::SecurityGroup", "Properties": {}},
              "#: required key [GroupDescription] not found",
              "a missing property fails"),
        wrong("missing-nested", table(StreamSpecification={}),
              "#/StreamSpecification: required key [StreamViewType] not found",
              "a missing property of a property fails"),
        wrong("missing-in-list", queue(Tags=[{"Key": "a"}]),
              "#/Tags/0: required key [Value] not found",
              "a missing property in a list fails"),
        wrong("no-value", {"Type": "AWS::EC2::SecurityGroup",
                           "Properties": {"GroupDescription": {"Ref": "AWS::NoValue"}}},
              "#: required key [GroupDescription] not found",
              "AWS::NoValue counts as missing"),
        wrong("text-for-number", queue(VisibilityTimeout="soon"),
              "#/VisibilityTimeout: expected type: Integer, found: String",
              "a text for a number fails"),
        wrong("list-for-text", queue(QueueName=["a"]),
              "#/QueueName: expected type: String, found: JSONArray",
              "a list for a text fails"),
        wrong("text-for-list", queue(Tags="a"),
              "#/Tags: expected type: JSONArray, found: String",
              "a text for a list fails"),
        wrong("text-for-object", table(SSESpecification="on"),
              "#/SSESpecification: expected type: JSONObject, found: String",
              "a text for an object fails"),
        wrong("text-for-boolean", queue(FifoQueue="perhaps"),
              "#/FifoQueue: expected type: Boolean, found: String",
              "a text for a boolean fails"),
        wrong("enumeration", table(BillingMode="FREE"),
              "#/BillingMode: FREE is not a valid enum value",
              "a value outside the enumeration fails"),
        wrong("minimum", {"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {}, "Role": "r", "Timeout": 0}},
              "#/Timeout: 0 is not greater or equal to 1",
              "a number below the minimum fails"),
        wrong("memory", {"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {}, "Role": "r", "Handler": 3, "MemorySize": "lots"}},
              "#/MemorySize: expected type: Integer, found: String",
              "the memory of a function is a number", "Lambda"),
    ],
)  # fmt: skip
def test_properties_are_checked_first(
    cloud: Cloud, stack: str, resource: Any, problem: str
) -> None:
    body = template({"First": TOPIC, "Wrong": {**resource, "DependsOn": "First"}})
    assert cloud.deploy(stack, body) == "ROLLBACK_COMPLETE"
    told = next(r for r in cloud.failures(stack) if "for resource Wrong" in r)
    first, *problems = told.splitlines()
    assert first == "Properties validation failed for resource Wrong with message:"
    assert problem in problems
    events = cloud.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    assert "First" not in {e["LogicalResourceId"] for e in events}


@holds("CloudFormation", "Validate stack deployments", "every fault is told at once")
def test_all_faults_are_told(cloud: Cloud, stack: str) -> None:
    body = template({"A": queue(X=1, Y=2), "B": table(BillingMode="FREE")})
    cloud.deploy(stack, body)
    told = "\n".join(cloud.failures(stack))
    assert "extraneous key [X]" in told
    assert "extraneous key [Y]" in told
    assert "FREE is not a valid enum value" in told


@holds("CloudFormation", "AWS resource and property types reference",
       "numbers and booleans may be written as texts")  # fmt: skip
def test_texts_become_numbers(cloud: Cloud, stack: str) -> None:
    body = template(
        {"Q": queue(VisibilityTimeout="7", FifoQueue="true", QueueName=f"{stack}.fifo")}
    )
    assert cloud.deploy(stack, body) == "CREATE_COMPLETE", cloud.failures(stack)
    found = cloud.client("sqs").get_queue_attributes(
        QueueUrl=cloud.resource(stack, "Q"), AttributeNames=["All"]
    )["Attributes"]
    assert (found["VisibilityTimeout"], found["FifoQueue"]) == ("7", "true")


@holds("CloudFormation", "Validate stack deployments",
       "a faulty update changes nothing and is rolled back")  # fmt: skip
def test_faulty_update_changes_nothing(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"Q": queue(VisibilityTimeout=5)}))
    body = template({"Q": queue(VisibilityTimeout=6), "R": queue(Nope=1)})
    assert cloud.deploy(stack, body) == "UPDATE_ROLLBACK_COMPLETE"
    found = cloud.client("sqs").get_queue_attributes(
        QueueUrl=cloud.resource(stack, "Q"), AttributeNames=["VisibilityTimeout"]
    )
    assert found["Attributes"]["VisibilityTimeout"] == "5"


# --- policies ---------------------------------------------------------------------


def protect(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": list(statements)})


EVERYTHING = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def guarded(name: str, changed: Any, denied: str, claim: str) -> Any:
    page = "Prevent updates to stack resources"
    return pytest.param(changed, denied, id=name, marks=holds("CloudFormation", page, claim))


@pytest.mark.parametrize(
    ("changed", "denied"),
    [
        guarded("modify", {"Q": queue(VisibilityTimeout=9), "Free": QUEUE}, "Update:Modify",
                "a stack policy keeps a resource from being modified"),
        guarded("delete", {"Free": QUEUE}, "Update:Delete",
                "a stack policy keeps a resource from being removed"),
        guarded("replace", {"Q": queue(QueueName="renamed-queue"), "Free": QUEUE},
                "Update:Replace", "a stack policy keeps a resource from being replaced"),
    ],
)  # fmt: skip
def test_stack_policy(cloud: Cloud, stack: str, changed: Any, denied: str) -> None:
    cloud.deploy(stack, template({"Q": queue(VisibilityTimeout=5), "Free": QUEUE}))
    client = cloud.client("cloudformation")
    deny = {**EVERYTHING, "Effect": "Deny", "Resource": "LogicalResourceId/Q"}
    client.set_stack_policy(StackName=stack, StackPolicyBody=protect(EVERYTHING, deny))
    assert cloud.deploy(stack, template(changed)) == "UPDATE_ROLLBACK_COMPLETE"
    assert any(
        f"Action denied by stack policy: Statement [#2] explicitly denies [{denied}] "
        "for resource [LogicalResourceId/Q]" in reason
        for reason in cloud.failures(stack)
    )
    found = cloud.client("sqs").get_queue_attributes(
        QueueUrl=cloud.resource(stack, "Q"), AttributeNames=["VisibilityTimeout"]
    )
    assert found["Attributes"]["VisibilityTimeout"] == "5"


@holds("CloudFormation", "Prevent updates to stack resources",
       "what the policy allows is changed")  # fmt: skip
def test_stack_policy_allows(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"Q": queue(VisibilityTimeout=5), "Free": QUEUE}))
    deny = {**EVERYTHING, "Effect": "Deny", "Resource": "LogicalResourceId/Q"}
    cloud.client("cloudformation").set_stack_policy(
        StackName=stack, StackPolicyBody=protect(EVERYTHING, deny)
    )
    body = template({"Q": queue(VisibilityTimeout=5), "Free": queue(VisibilityTimeout=8)})
    assert cloud.deploy(stack, body) == "UPDATE_COMPLETE"


@holds("CloudFormation", "Protect CloudFormation stacks from being deleted",
       "a protected stack is not deleted")  # fmt: skip
def test_termination_protection(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"Q": QUEUE}))
    client = cloud.client("cloudformation")
    client.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is"):
        client.delete_stack(StackName=stack)
    client.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
    assert cloud.delete(stack) == "DELETE_COMPLETE"


@holds("CloudFormation", "DeletionPolicy attribute", "a retained resource outlives its stack")
def test_deletion_policy_retains(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"Q": {**QUEUE, "DeletionPolicy": "Retain"}}))
    url = cloud.resource(stack, "Q")
    assert cloud.delete(stack) == "DELETE_COMPLETE"
    assert url in cloud.client("sqs").list_queues()["QueueUrls"]
    cloud.client("sqs").delete_queue(QueueUrl=url)


@holds("CloudFormation", "UpdateReplacePolicy attribute",
       "a replaced resource is kept when its policy says so")  # fmt: skip
def test_update_replace_policy_retains(cloud: Cloud, stack: str) -> None:
    first = {**queue(QueueName=f"{stack}-a"), "UpdateReplacePolicy": "Retain"}
    cloud.deploy(stack, template({"Q": first}))
    url = cloud.resource(stack, "Q")
    second = {**queue(QueueName=f"{stack}-b"), "UpdateReplacePolicy": "Retain"}
    assert cloud.deploy(stack, template({"Q": second})) == "UPDATE_COMPLETE"
    assert {url, cloud.resource(stack, "Q")} <= set(cloud.client("sqs").list_queues()["QueueUrls"])
    cloud.client("sqs").delete_queue(QueueUrl=url)


@holds("CloudFormation", "Get exported outputs from a deployed stack",
       "a stack whose export is in use is not deleted", "partial",
       "refused by DeleteStack itself; on AWS the deletion begins and fails")  # fmt: skip
def test_export_in_use(cloud: Cloud, stack: str) -> None:
    name, user = f"{stack}-export", f"{stack}-user"
    exporting = template({"Q": QUEUE})
    exporting["Outputs"] = {"O": {"Value": {"Ref": "Q"}, "Export": {"Name": name}}}
    cloud.deploy(stack, exporting)
    cloud.deploy(user, template({"T": {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Type": "String", "Value": {"Fn::ImportValue": name}},
    }}))  # fmt: skip
    with pytest.raises(ClientError, match=f"Export {name} is imported by stack {user}"):
        cloud.client("cloudformation").delete_stack(StackName=stack)
    cloud.delete(user)


@holds("CloudFormation", "CreateChangeSet", "a change set without changes fails with AWS's words")
def test_no_changes(cloud: Cloud, stack: str) -> None:
    body = template({"Q": QUEUE})
    cloud.deploy(stack, body)
    client = cloud.client("cloudformation")
    client.create_change_set(StackName=stack, ChangeSetName="n", TemplateBody=json.dumps(body))
    found = client.describe_change_set(StackName=stack, ChangeSetName="n")
    assert found["Status"] == "FAILED"
    assert "didn't contain changes" in found["StatusReason"]


@holds("CloudFormation", "Detect unmanaged configuration changes with drift detection",
       "a change behind the stack's back is found")  # fmt: skip
def test_drift(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"Q": queue(VisibilityTimeout=5)}))
    cloud.client("sqs").set_queue_attributes(
        QueueUrl=cloud.resource(stack, "Q"), Attributes={"VisibilityTimeout": "6"}
    )
    client = cloud.client("cloudformation")
    client.detect_stack_drift(StackName=stack)
    drifts = client.describe_stack_resource_drifts(StackName=stack)["StackResourceDrifts"]
    assert [d["StackResourceDriftStatus"] for d in drifts] == ["MODIFIED"]
    assert [d["PropertyPath"] for d in drifts[0]["PropertyDifferences"]] == ["/VisibilityTimeout"]


@holds("CloudFormation", "DescribeStackEvents", "events are told newest first, with their token")
def test_events(cloud: Cloud, stack: str) -> None:
    client = cloud.client("cloudformation")
    client.create_stack(
        StackName=stack, TemplateBody=json.dumps(template({"Q": QUEUE})), ClientRequestToken="t1"
    )
    assert cloud.wait(stack) == "CREATE_COMPLETE"
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    assert [(e["LogicalResourceId"], e["ResourceStatus"]) for e in events][::-1] == [
        (stack, "CREATE_IN_PROGRESS"),
        ("Q", "CREATE_IN_PROGRESS"),
        ("Q", "CREATE_COMPLETE"),
        (stack, "CREATE_COMPLETE"),
    ]
    assert {e["ClientRequestToken"] for e in events} == {"t1"}


# --- what depends on what -----------------------------------------------------------


@holds("Lambda", "AddPermission", "a permission for a function that does not exist is refused")
def test_permission_needs_its_function(cloud: Cloud, stack: str) -> None:
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "absent",
            "Principal": "s3.amazonaws.com",
        },
    }
    assert cloud.deploy(stack, template({"P": permission})) == "ROLLBACK_COMPLETE"
    arn = "arn:aws:lambda:eu-west-1:000000000000:function:absent"
    assert any(f"Function not found: {arn}" in reason for reason in cloud.failures(stack))


def listening(**rules: Any) -> dict[str, Any]:
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    made: dict[str, Any] = {
        **network(),
        "Balancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {
                "Subnets": [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}],
                "SecurityGroups": [{"Ref": "Group"}],
            },
        },
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Balancer"},
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": fixed,
            },
        },
    }
    for name, properties in rules.items():
        made[name] = {
            "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Properties": {
                "ListenerArn": {"Ref": "Listener"},
                "Actions": fixed,
                "Conditions": [{"Field": "path-pattern", "Values": ["/a"]}],
                **properties,
            },
        }
    return made


@holds("Elastic Load Balancing", "CreateRule", "two rules of one priority are refused")
def test_priorities_are_unique(cloud: Cloud, stack: str) -> None:
    body = template(listening(A={"Priority": 1}, B={"Priority": 1}))
    assert cloud.deploy(stack, body) == "ROLLBACK_COMPLETE"
    assert any("Priority '1' is currently in use" in reason for reason in cloud.failures(stack))


@holds("Elastic Load Balancing", "CreateListener", "two listeners of one port are refused")
def test_listener_ports_are_unique(cloud: Cloud, stack: str) -> None:
    made = listening()
    made["Again"] = {**made["Listener"], "DependsOn": "Listener"}
    assert cloud.deploy(stack, template(made)) == "ROLLBACK_COMPLETE"
    assert any(
        "A listener already exists on this port for this load balancer" in reason
        for reason in cloud.failures(stack)
    )


@pytest.mark.parametrize(
    ("call", "argument", "logical_id", "code"),
    [
        pytest.param("delete_vpc", "VpcId", "Vpc", "DependencyViolation", id="vpc", marks=holds(
            "EC2", "Delete your VPC", "a VPC with subnets is not deleted")),
        pytest.param("delete_subnet", "SubnetId", "SubnetA", "DependencyViolation", id="subnet",
                     marks=holds("EC2", "Delete a subnet",
                                 "a subnet with a load balancer is not deleted")),
        pytest.param("delete_security_group", "GroupId", "Group", "DependencyViolation",
                     id="group", marks=holds("EC2", "Delete a security group",
                                             "a security group in use is not deleted")),
    ],
)  # fmt: skip
def test_network_in_use_is_not_deleted(
    cloud: Cloud, stack: str, call: str, argument: str, logical_id: str, code: str
) -> None:
    assert cloud.deploy(stack, template(listening())) == "CREATE_COMPLETE", cloud.failures(stack)
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client("ec2"), call)(**{argument: cloud.resource(stack, logical_id)})
    assert refused.value.response["Error"]["Code"] == code
    assert cloud.delete(stack) == "DELETE_COMPLETE", cloud.failures(stack)


@pytest.mark.parametrize(
    ("kind", "user"),
    [
        pytest.param("Vpc", "Subnet", id="vpc", marks=holds(
            "EC2", "Delete your VPC", "a stack whose VPC another one uses is not deleted")),
        pytest.param("Group", "Function", id="group", marks=holds(
            "EC2", "Delete a security group",
            "a stack whose security group a function uses is not deleted")),
    ],
)  # fmt: skip
def test_stack_in_use_is_not_deleted(cloud: Cloud, stack: str, kind: str, user: str) -> None:
    assert cloud.deploy(stack, template(network())) == "CREATE_COMPLETE"
    other = f"{stack}-user"
    if user == "Subnet":
        made: dict[str, Any] = {
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {
                    "VpcId": cloud.resource(stack, "Vpc"),
                    "CidrBlock": "10.0.0.128/26",
                },
            }
        }
    else:
        placed = {
            "SubnetIds": [cloud.resource(stack, "SubnetA")],
            "SecurityGroupIds": [cloud.resource(stack, "Group")],
        }
        code = cloud.upload("def handler(event, context): pass")
        made = {"Role": ROLE, "Function": function(BUCKET, code, VpcConfig=placed)}
    assert cloud.deploy(other, template(made)) == "CREATE_COMPLETE", cloud.failures(other)
    assert cloud.delete(stack) == "DELETE_FAILED"
    assert cloud.delete(other) == "DELETE_COMPLETE"
    assert cloud.delete(stack) == "DELETE_COMPLETE"


@holds("S3", "Deleting a general purpose bucket", "a bucket with objects is not deleted")
def test_bucket_with_objects(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"B": {"Type": "AWS::S3::Bucket"}}))
    client, name = cloud.client("s3"), cloud.resource(stack, "B")
    client.put_object(Bucket=name, Key="k", Body=b"x")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        client.delete_bucket(Bucket=name)
    assert cloud.delete(stack) == "DELETE_FAILED"
    client.delete_object(Bucket=name, Key="k")
    assert cloud.delete(stack) == "DELETE_COMPLETE"


@holds("CloudFormation", "CreateChangeSet", "A change of outputs alone is a change")
def test_outputs_alone_are_a_change(cloud: Cloud, stack: str) -> None:
    template: dict[str, Any] = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    assert cloud.deploy(stack, template) == "CREATE_COMPLETE"
    template["Outputs"] = {"Arn": {"Value": {"Ref": "Topic"}}}
    assert cloud.deploy(stack, template) == "UPDATE_COMPLETE"
    assert cloud.outputs(stack)["Arn"].startswith("arn:aws:sns:")
