"""Plan -> Release: exactly the plan, carried out through CloudFormation."""

from fairway.apply.applying import Applying
from fairway.apply.release import Release

__all__ = ["Applying", "Release"]
