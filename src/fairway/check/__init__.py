"""App -> Diagnostics: own rules first, cfn-lint on the templates beside them."""

from fairway.check.checking import check_definition, require_valid
from fairway.check.lint import lint_all, lint_templates

__all__ = ["check_definition", "lint_all", "lint_templates", "require_valid"]
