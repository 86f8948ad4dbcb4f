"""Access logs of load balancers and HTTP APIs."""
