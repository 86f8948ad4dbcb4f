"""Bundle: reproducible, content-addressed archives of code and the packages it needs.

Libraries that only some sources need, or only the first run, are imported where they are used:
`fairway plan` waits for every import.
"""

from fairway.bundle.artifact import Architecture, Artifact, Platform, Source
from fairway.bundle.sources import bundle_sources

__all__ = ["Architecture", "Artifact", "Platform", "Source", "bundle_sources"]
