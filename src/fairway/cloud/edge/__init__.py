"""The HTTP edge of the local cloud: load balancers and HTTP APIs on loopback ports."""
