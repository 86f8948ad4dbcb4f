"""CloudFormation resource handlers, one family a module."""
