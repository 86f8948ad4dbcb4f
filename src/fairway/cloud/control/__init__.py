"""The control plane: AWS's APIs on this machine, and what they cause."""
