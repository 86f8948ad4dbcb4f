"""Plan -> Release: exactly the plan, carried out through CloudFormation."""

from fairway.apply.applying import NO_CONSENT, Applying, Consent
from fairway.apply.release import NOBODY, Provenance, Release

__all__ = ["NOBODY", "NO_CONSENT", "Applying", "Consent", "Provenance", "Release"]
