"""Metric math: expressions over metrics, read and evaluated.

Page "Using metric math". An expression is nearly one of Python's, so Python's own
parser reads it once its words are Python's.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from fairway.cloud.control.metrics.series import (
    Array,
    ExpressionFault,
    Grid,
    TimeSeries,
    Value,
    combine,
    negate,
)
from fairway.cloud.control.metrics.series_functions import FILLING, FUNCTIONS

LONGEST = 2048  # characters; "MetricDataQuery" of the CloudWatch API reference

MOST_SERIES = 500
"""Time series in one list: CloudWatch takes so many queries in one request."""

MOST_VALUES = 500_000
"""Values computed for one request or alarm: about half a second, in which nothing else runs."""

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


def list_reached(expressions: Mapping[str, str], metrics: Iterable[str], name: str) -> set[str]:
    """The ids that one is computed of, itself among them. Raises ExpressionFault."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in reached:
            continue
        reached.add(current)
        for node in ast.walk(parse_expression(expressions.get(current, "0"))):
            match node:
                case ast.Name(id=word) if word.startswith("_"):
                    waiting.append(word[1:])
                case ast.Call(func=ast.Name(id="METRICS"), args=arguments):
                    texts = [a.value for a in arguments if isinstance(a, ast.Constant)]
                    waiting += (m for m in metrics if all(str(text) in m for text in texts))
    return reached


class Budget:
    """How many values may still be computed."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = self._left = most

    def spend(self, values: Sequence[Value], width: int = 0) -> None:
        """Before values are computed of these. width: periods of each that are filled.

        Raises ExpressionFault when that is more than is left.
        """
        lists = [value for value in values if isinstance(value, list)]
        times = max(map(len, lists), default=1)  # each of a list meets a series beside it
        points = sum(len(each.points) for several in lists for each in several)
        points += sum(len(v.points) * times for v in values if isinstance(v, TimeSeries))
        self._left -= points + (1 + width) * times
        if self._left < 0:
            raise ExpressionFault(
                f"The local cloud computes at most {self._most:,} values for one request or "
                "alarm: take a longer period, a shorter time or fewer expressions"
            )


class Evaluation:
    """Evaluates expressions that may name each other.

    expressions, metrics: by id; metrics read on the grid that is given. budget: shared
    by the evaluations of one request.
    """

    def __init__(
        self,
        expressions: Mapping[str, str],
        metrics: Mapping[str, Callable[[], TimeSeries]],
        grid: Grid,
        budget: Budget | None = None,
    ) -> None:
        self._budget = budget or Budget()
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
                found = self._visit(operand)
                self._budget.spend([found])
                return negate(found)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._combine(operator, self._visit(left), self._visit(right))
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return self._combine(operator, self._visit(left), self._visit(right))
            case ast.BoolOp(op=operator, values=values):
                parts = [self._visit(value) for value in values]
                return functools.reduce(lambda a, b: self._combine(operator, a, b), parts)
            case ast.List(elts=parts):
                return self._collect([self._visit(part) for part in parts])
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self._call(function, arguments)
        raise ExpressionFault("The expression has a form that metric math does not know")

    def _combine(self, operator: ast.AST, left: Value, right: Value) -> Value:
        self._budget.spend([left, right])
        return combine(_OPERATORS[type(operator)], left, right)

    def _collect(self, parts: list[Value]) -> Array:
        found: Array = []
        for part in parts:
            if isinstance(part, TimeSeries):
                found.append(part)
            elif isinstance(part, list):
                found += part
            else:
                raise ExpressionFault("A list has time series only")
            if len(found) > MOST_SERIES:
                raise ExpressionFault(f"A list has at most {MOST_SERIES} time series")
        self._budget.spend([found])
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
        self._budget.spend(values, self._grid.count if function in FILLING else 0)
        try:
            return known(self._grid, *values)
        except (TypeError, ValueError, OverflowError):  # the last two: an index that is no number
            raise ExpressionFault(f"{function} does not take these arguments") from None
