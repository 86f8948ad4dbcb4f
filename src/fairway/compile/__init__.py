"""App -> CloudFormation templates: three stacks a service, canonical, with origins."""

from fairway.compile.compilation import compile_app
from fairway.compile.template import StackTemplate, Templates

__all__ = ["StackTemplate", "Templates", "compile_app"]
