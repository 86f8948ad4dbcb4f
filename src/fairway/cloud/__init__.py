"""The local cloud: AWS's APIs, functions and HTTP listeners on this machine."""
