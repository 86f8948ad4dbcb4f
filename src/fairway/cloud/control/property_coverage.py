"""What becomes of each property that Fairway's templates set: applied here, or kept and shown.

Paths leave out list positions, and end at documents, tags and variables, which are taken
whole. A test walks every template that our compiler is known to make: a path in neither
table fails it, so that none is dropped in silence. What is kept is told to the user by
the sentence of its type in `coverage.py`.
"""

from __future__ import annotations


def _read(table: dict[str, str]) -> dict[str, frozenset[str]]:
    return {kind: frozenset(paths.split()) for kind, paths in table.items()}


APPLIED: dict[str, frozenset[str]] = _read(
    {
        "AWS::ApiGatewayV2::Api": "Body Tags",
        "AWS::ApiGatewayV2::Stage": (
            "AccessLogSettings.DestinationArn AccessLogSettings.Format ApiId AutoDeploy "
            "StageName Tags"
        ),
        "AWS::DynamoDB::Table": (
            "AttributeDefinitions.AttributeName AttributeDefinitions.AttributeType "
            "BillingMode GlobalSecondaryIndexes.IndexName "
            "GlobalSecondaryIndexes.KeySchema.AttributeName "
            "GlobalSecondaryIndexes.KeySchema.KeyType "
            "GlobalSecondaryIndexes.Projection.ProjectionType KeySchema.AttributeName "
            "KeySchema.KeyType PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled Tags "
            "TimeToLiveSpecification.AttributeName TimeToLiveSpecification.Enabled"
        ),
        "AWS::ElasticLoadBalancingV2::Listener": (
            "DefaultActions.FixedResponseConfig.ContentType "
            "DefaultActions.FixedResponseConfig.MessageBody "
            "DefaultActions.FixedResponseConfig.StatusCode "
            "DefaultActions.RedirectConfig.Port DefaultActions.RedirectConfig.Protocol "
            "DefaultActions.RedirectConfig.StatusCode DefaultActions.Type LoadBalancerArn "
            "Port Protocol Tags"
        ),
        "AWS::ElasticLoadBalancingV2::ListenerRule": (
            "Actions.TargetGroupArn Actions.Type Conditions.Field "
            "Conditions.HttpRequestMethodConfig.Values Conditions.PathPatternConfig.Values "
            "ListenerArn Priority Tags"
        ),
        "AWS::ElasticLoadBalancingV2::LoadBalancer": (
            "LoadBalancerAttributes.Key LoadBalancerAttributes.Value Tags Type"
        ),
        "AWS::ElasticLoadBalancingV2::TargetGroup": (
            "HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath "
            "HealthCheckTimeoutSeconds Matcher.HttpCode Tags TargetGroupAttributes.Key "
            "TargetGroupAttributes.Value TargetType Targets.Id"
        ),
        "AWS::IAM::Role": (
            "AssumeRolePolicyDocument Policies.PolicyDocument Policies.PolicyName Tags"
        ),
        "AWS::Lambda::Function": (
            "Code.S3Bucket Code.S3Key DeadLetterConfig.TargetArn Description "
            "Environment.Variables FunctionName Handler LoggingConfig.LogGroup MemorySize "
            "ReservedConcurrentExecutions Role Runtime Tags Timeout"
        ),
        "AWS::Lambda::Permission": "Action FunctionName Principal SourceArn",
        "AWS::Logs::LogGroup": "LogGroupName RetentionInDays Tags",
        "AWS::S3::Bucket": (
            "OwnershipControls.Rules.ObjectOwnership "
            "PublicAccessBlockConfiguration.BlockPublicAcls "
            "PublicAccessBlockConfiguration.BlockPublicPolicy "
            "PublicAccessBlockConfiguration.IgnorePublicAcls "
            "PublicAccessBlockConfiguration.RestrictPublicBuckets Tags "
            "VersioningConfiguration.Status"
        ),
        "AWS::S3::BucketPolicy": "Bucket PolicyDocument",
        "AWS::SQS::Queue": "MessageRetentionPeriod Tags",
    }
)
"""Properties that have their effect on this machine."""

KEPT: dict[str, frozenset[str]] = _read(
    {
        "AWS::ApiGatewayV2::Api": "FailOnWarnings",
        "AWS::DynamoDB::Table": (
            "SSESpecification.KMSMasterKeyId SSESpecification.SSEEnabled SSESpecification.SSEType"
        ),
        "AWS::EC2::FlowLog": (
            "DeliverLogsPermissionArn LogDestinationType LogGroupName ResourceId "
            "ResourceType Tags TrafficType"
        ),
        "AWS::EC2::InternetGateway": "Tags",
        "AWS::EC2::NetworkAcl": "Tags VpcId",
        "AWS::EC2::NetworkAclEntry": (
            "CidrBlock Egress NetworkAclId PortRange.From PortRange.To Protocol RuleAction "
            "RuleNumber"
        ),
        "AWS::EC2::Route": "DestinationCidrBlock GatewayId RouteTableId",
        "AWS::EC2::RouteTable": "Tags VpcId",
        "AWS::EC2::SecurityGroup": (
            "GroupDescription SecurityGroupEgress.CidrIp SecurityGroupEgress.Description "
            "SecurityGroupEgress.DestinationPrefixListId "
            "SecurityGroupEgress.DestinationSecurityGroupId SecurityGroupEgress.FromPort "
            "SecurityGroupEgress.IpProtocol SecurityGroupEgress.ToPort "
            "SecurityGroupIngress.CidrIp SecurityGroupIngress.Description "
            "SecurityGroupIngress.FromPort SecurityGroupIngress.IpProtocol "
            "SecurityGroupIngress.ToPort Tags VpcId"
        ),
        "AWS::EC2::SecurityGroupEgress": (
            "Description DestinationSecurityGroupId FromPort GroupId IpProtocol ToPort"
        ),
        "AWS::EC2::SecurityGroupIngress": (
            "Description FromPort GroupId IpProtocol SourceSecurityGroupId ToPort"
        ),
        "AWS::EC2::Subnet": "AvailabilityZone CidrBlock MapPublicIpOnLaunch Tags VpcId",
        "AWS::EC2::SubnetNetworkAclAssociation": "NetworkAclId SubnetId",
        "AWS::EC2::SubnetRouteTableAssociation": "RouteTableId SubnetId",
        "AWS::EC2::VPC": "CidrBlock EnableDnsHostnames EnableDnsSupport Tags",
        "AWS::EC2::VPCEndpoint": (
            "PolicyDocument RouteTableIds ServiceName Tags VpcEndpointType VpcId"
        ),
        "AWS::EC2::VPCGatewayAttachment": "InternetGatewayId VpcId",
        "AWS::ElasticLoadBalancingV2::Listener": "Certificates.CertificateArn SslPolicy",
        "AWS::ElasticLoadBalancingV2::LoadBalancer": "Scheme SecurityGroups Subnets",
        "AWS::KMS::Alias": "AliasName TargetKeyId",
        "AWS::KMS::Key": "Description EnableKeyRotation KeyPolicy Tags",
        "AWS::Lambda::Function": (
            "Architectures EphemeralStorage.Size KmsKeyArn LoggingConfig.LogFormat "
            "VpcConfig.SecurityGroupIds VpcConfig.SubnetIds"
        ),
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::S3::Bucket": (
            "BucketEncryption.ServerSideEncryptionConfiguration.BucketKeyEnabled "
            "BucketEncryption.ServerSideEncryptionConfiguration."
            "ServerSideEncryptionByDefault.SSEAlgorithm "
            "LifecycleConfiguration.Rules.AbortIncompleteMultipartUpload.DaysAfterInitiation "
            "LifecycleConfiguration.Rules.ExpirationInDays LifecycleConfiguration.Rules.Id "
            "LifecycleConfiguration.Rules.NoncurrentVersionExpiration.NoncurrentDays "
            "LifecycleConfiguration.Rules.Status LoggingConfiguration.DestinationBucketName "
            "LoggingConfiguration.LogFilePrefix"
        ),
        "AWS::SNS::Topic": "KmsMasterKeyId",
        "AWS::SQS::Queue": "KmsMasterKeyId SqsManagedSseEnabled",
    }
)
"""Properties that the API shows as given, and that change nothing here."""
