"""Functions: worker processes under the official runtime client, pooled and invoked."""
