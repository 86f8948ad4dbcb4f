"""What replaces awslambdaric's compiled part on interpreters that it was not installed for."""
