"""Metric math: expressions over metrics, read and evaluated.

Page "Using metric math". An expression is nearly one of Python's, so Python's own
parser reads it once its words are Python's.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Mapping

from fairway.cloud.control.metrics.series import (
    Array,
    ExpressionFault,
    Grid,
    TimeSeries,
    Value,
    combine,
    negate,
)
from fairway.cloud.control.metrics.series_functions import FUNCTIONS

LONGEST = 2048  # characters; "MetricDataQuery" of the CloudWatch API reference

NOT_HERE = {
    "ANOMALY_DETECTION_BAND": "anomaly detection",
    "DB_PERF_INSIGHTS": "Performance Insights",
    "INSIGHT_RULE_METRIC": "Contributor Insights",
    "LAMBDA": "functions as data sources",
    "SEARCH": "search expressions",
    "SERVICE_QUOTA": "service quotas",
}
"""Functions that CloudWatch has and the local cloud refuses, by what they need."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<word>[A-Za-z]\w*)"""
    r"""|(?P<text>"[^"]*"|'[^']*')|(?P<sign>&&|\|\||[=!<>]=|[-+*/^<>()\[\],])"""
)
_WORDS = {"AND": "and", "OR": "or", "&&": "and", "||": "or", "^": "**"}
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "^",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.And: "AND",
    ast.Or: "OR",
}


@functools.lru_cache(maxsize=512)
def parse_expression(text: str) -> ast.expr:
    """An expression's tree. Raises ExpressionFault."""
    if text.lstrip()[:6].upper() == "SELECT":
        raise ExpressionFault("The local cloud does not evaluate Metrics Insights queries")
    if len(text) > LONGEST:
        raise ExpressionFault(f"An expression has at most {LONGEST} characters")
    words, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ExpressionFault(f"Invalid character '{text[place]}' at position {place + 1}")
        words.append(_translate(found))
        place = found.end()
    try:
        return ast.parse("".join(words).strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise ExpressionFault(f"The expression '{text}' cannot be read") from None


def _translate(found: re.Match[str]) -> str:
    word = found[0]
    match found.lastgroup:
        case "number":
            return repr(float(word))
        case "word" if word[0].islower():
            return f"_{word}"  # what is an id here may be a keyword there
        case "text" | "space":
            return word.replace("\\", "").replace("\n", " ")
    return f" {_WORDS[word]} " if word in _WORDS else word


def list_functions(tree: ast.expr) -> set[str]:
    """The names of all functions that an expression calls."""
    return {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


class Evaluation:
    """Evaluates expressions that may name each other.

    expressions, metrics: by id; metrics read on the grid that is given.
    """

    def __init__(
        self,
        expressions: Mapping[str, str],
        metrics: Mapping[str, Callable[[], TimeSeries]],
        grid: Grid,
    ) -> None:
        self._expressions = expressions
        self._metrics = metrics
        self._grid = grid
        self._known: dict[str, Value] = {}
        self._under_way: list[str] = []

    def find(self, name: str) -> Value:
        """The value of an id. Raises ExpressionFault."""
        if name not in self._known:
            self._known[name] = self._compute(name)
        return self._known[name]

    def _compute(self, name: str) -> Value:
        if name in self._metrics:
            return self._metrics[name]()
        if name not in self._expressions:
            raise ExpressionFault(f"Unknown id '{name}'")
        if name in self._under_way:
            raise ExpressionFault(f"The expression '{name}' depends on itself")
        self._under_way.append(name)
        try:
            return self._visit(parse_expression(self._expressions[name]))
        except RecursionError:
            raise ExpressionFault(f"The expression '{name}' is nested too deeply") from None
        finally:
            self._under_way.pop()

    def _visit(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=float() | str() as value):
                return value
            case ast.Name(id=word):
                return self.find(word[1:]) if word.startswith("_") else word
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return negate(self._visit(operand))
            case ast.BinOp(left=left, op=operator, right=right):
                return combine(_OPERATORS[type(operator)], self._visit(left), self._visit(right))
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return combine(_OPERATORS[type(operator)], self._visit(left), self._visit(right))
            case ast.BoolOp(op=operator, values=values):
                parts = [self._visit(value) for value in values]
                sign = _OPERATORS[type(operator)]
                return functools.reduce(lambda a, b: combine(sign, a, b), parts)
            case ast.List(elts=parts):
                return self._collect([self._visit(part) for part in parts])
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self._call(function, arguments)
        raise ExpressionFault("The expression has a form that metric math does not know")

    def _collect(self, parts: list[Value]) -> Array:
        found: Array = []
        for part in parts:
            if isinstance(part, TimeSeries):
                found.append(part)
            elif isinstance(part, list):
                found += part
            else:
                raise ExpressionFault("A list has time series only")
        return found

    def _call(self, function: str, arguments: list[ast.expr]) -> Value:
        if function in NOT_HERE:
            raise ExpressionFault(
                f"The local cloud has no {NOT_HERE[function]}: {function} is not evaluated"
            )
        values = [self._visit(argument) for argument in arguments]
        if function == "METRICS":
            wanted = values[0] if values else ""
            if len(values) > 1 or not isinstance(wanted, str):
                raise ExpressionFault("METRICS takes one text at most")
            return self._collect([self.find(name) for name in self._metrics if wanted in name])
        known = FUNCTIONS.get(function)
        if known is None:
            raise ExpressionFault(f"Unknown function '{function}'")
        try:
            return known(self._grid, *values)
        except TypeError:
            raise ExpressionFault(f"{function} does not take these arguments") from None
