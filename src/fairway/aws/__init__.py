"""AWS's APIs, wherever they are answered."""

from fairway.aws.endpoint import Aws, Endpoint, explain_client_error

__all__ = ["Aws", "Endpoint", "explain_client_error"]
