"""Bundle: reproducible, content-addressed archives of code and the packages it needs."""

from fairway.bundle.artifact import Architecture, Artifact, Platform, Source
from fairway.bundle.sources import bundle_sources

__all__ = ["Architecture", "Artifact", "Platform", "Source", "bundle_sources"]
