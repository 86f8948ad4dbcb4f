"""DynamoDB streams and Kinesis data streams as event sources of functions."""
