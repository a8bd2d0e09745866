"""The JSONPath library, with a bound on its work and with regular expressions that match in linear time.

The library finds all nodes with their paths and keeps them. Here, nodes have no path, and all work is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, cast
from weakref import proxy

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathMatch
from jsonpath.exceptions import JSONPathSyntaxError
from jsonpath.filter import BaseExpression, FilterQuery, FunctionExtension, RegexLiteral, StringLiteral
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.parse import Parser
from jsonpath.segments import JSONPathChildSegment, JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.selectors import SingularQuerySelector
from jsonpath.stream import TokenStream

from mock_atoms.core.regex import Regex, RegexError
from mock_atoms.wiremock.steps import StepCounter

_REGEX_STEPS = 250
_MAX_COUNTED_VALUES = 100
_NO_CHILDREN: list[JSONPathMatch] = []


class _Node(JSONPathMatch):
    """A value that was found. It knows neither its path, which may be long, nor its children."""

    __slots__ = ()

    def __init__(self, *, filter_context: Mapping[str, Any], obj: object, root: Any, **_unused: object) -> None:  # noqa: ANN401 - any JSON
        filter_context["steps"].count_steps()
        # What the library's constructor does, but this one is called for each value.
        self._filter_context, self.obj, self.root = filter_context, obj, root
        self.parent, self.parts, self.path, self.children = None, (), "", _NO_CHILDREN

    def new_child(self, obj: object, key: int | str) -> "_Node":  # noqa: ARG002 - the library passes it
        return _Node(filter_context=self._filter_context, obj=obj, root=self.root)

    def add_child(self, *children: JSONPathMatch) -> None:
        """Keep no children."""


class _Path(JSONPath):
    """A path whose nodes are counted."""

    env: "Environment"

    def finditer(self, data: Any, *, filter_context: object = None) -> Iterable[JSONPathMatch]:  # noqa: ANN401, ARG002 - as in the library
        steps = {"steps": self.env.steps}
        nodes: Iterable[JSONPathMatch] = [
            _Node(filter_context=steps, obj=[data] if self.pseudo_root else data, root=data)
        ]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


class _ChildSegment(JSONPathChildSegment):
    env: "Environment"

    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterator[JSONPathMatch]:
        for node in nodes:
            self.env.steps.count_steps(len(self.selectors))
            for selector in self.selectors:
                yield from selector.resolve(node)


class _DescendantSegment(JSONPathRecursiveDescentSegment):
    env: "Environment"

    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterator[JSONPathMatch]:
        for node in nodes:
            yield from _ChildSegment.resolve(self, self._visit(node))  # type: ignore[arg-type] # the same attributes

    def _visit(self, node: JSONPathMatch, depth: int = 1) -> Iterator[JSONPathMatch]:  # noqa: ARG002 - as in the library
        stack = [node]
        while stack:
            visited = stack.pop()
            yield visited
            value = visited.obj
            children = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
            self.env.steps.count_steps(len(children) // 10)
            stack += [visited.new_child(child, 0) for child in reversed(children) if isinstance(child, dict | list)]


class _Parser(Parser):
    """Builds counted paths and segments, and compiles regular expressions for RE2."""

    env: "Environment"

    def parse_query(self, stream: TokenStream) -> Iterator[JSONPathSegment]:
        for segment in super().parse_query(stream):
            is_descendant = isinstance(segment, JSONPathRecursiveDescentSegment)
            segment_class = _DescendantSegment if is_descendant else _ChildSegment
            yield segment_class(env=self.env, token=segment.token, selectors=segment.selectors)

    def parse_absolute_query(self, stream: TokenStream) -> BaseExpression:
        return self._counted(super().parse_absolute_query(stream))

    def parse_relative_query(self, stream: TokenStream) -> BaseExpression:
        return self._counted(super().parse_relative_query(stream))

    def _counted(self, expression: BaseExpression) -> BaseExpression:
        query = cast("FilterQuery", expression)
        query.path = self.env.counted(query.path)
        return query

    def parse_singular_query_selector(self, stream: TokenStream) -> SingularQuerySelector:
        selector = super().parse_singular_query_selector(stream)
        selector.query = self.env.counted(selector.query)
        return selector

    def parse_regex(self, stream: TokenStream) -> BaseExpression:
        pattern, flags = stream.next().value, stream.next().value.replace("a", "")  # `a` is how RE2 is anyway
        regex = self.env.compile_regex(f"(?{flags}){pattern}" if flags else pattern)
        return RegexLiteral(value=regex)  # type: ignore[arg-type] # has the methods that a filter calls

    def parse_function_extension(self, stream: TokenStream) -> BaseExpression:
        call = super().parse_function_extension(stream)
        if isinstance(call, FunctionExtension) and call.name in _REGEX_FUNCTIONS:
            pattern = call.args[1]
            if isinstance(pattern, StringLiteral):
                self.env.compile_regex(pattern.value)
        return call


class _RegexFunction(FilterFunction):
    """A function that applies a regular expression. An invalid one in the data matches nothing."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - as in the library
    return_type = ExpressionType.LOGICAL

    def __init__(self, environment: "Environment", apply: Callable[[Regex, str], bool]) -> None:
        self._environment = environment
        self._apply = apply

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        try:
            regex = self._environment.compile_regex(pattern)
        except RegexError:
            return False
        self._environment.steps.count_steps(regex.steps(value))
        return self._apply(regex, value)


_REGEX_FUNCTIONS = {"match": Regex.fullmatch, "search": Regex.search}


class Environment(JSONPathEnvironment):
    """The library's settings for one path. Filters are not cached, because that takes work that is not counted.

    Attributes:
        steps: counts the work.
    """

    parser_class = _Parser
    # Unions and intersections of paths and the context of filters are in no standard.
    union_token = intersection_token = filter_context_token = ""

    def __init__(self, steps: StepCounter) -> None:
        super().__init__(filter_caching=False)
        self.steps = steps
        self._own_regexes: dict[str, Regex] = {}
        self._regexes = self._own_regexes

    def setup_function_extensions(self) -> None:
        """Replace the functions that apply regular expressions."""
        super().setup_function_extensions()
        for name, apply in _REGEX_FUNCTIONS.items():
            self.function_extensions[name] = _RegexFunction(proxy(self), apply)

    def compile_counted(self, text: str, max_tokens: int) -> _Path:
        """Return the path of `text`. It can be called once.

        Raises:
            JSONPathSyntaxError: it is invalid, or has more than `max_tokens` tokens.
        """
        try:
            tokens = [*islice(self.lexer.tokenize(text), max_tokens + 1)]
            if len(tokens) > max_tokens:
                raise JSONPathSyntaxError(f"more than {max_tokens} names, numbers and signs", token=tokens[-1])
            self.steps.count_steps(10 * len(tokens))
            return self.counted(cast("JSONPath", self.compile(text)))
        finally:
            # They refer to the environment and to themselves, so only a collection of garbage would free all three.
            vars(self.parser).clear()
            del self.lexer, self.parser

    def counted(self, path: JSONPath) -> _Path:
        """Return a path whose nodes are counted."""
        return _Path(env=self, segments=path.segments, pseudo_root=path.pseudo_root)

    def begin(self, steps: StepCounter) -> None:
        """Prepare for other data: count in `steps`, and forget the regular expressions of the previous data."""
        self.steps = steps
        self._regexes = {**self._own_regexes}

    def compile_regex(self, pattern: str) -> Regex:
        """Return a regular expression of the path or of the data.

        Raises:
            RegexError: it is invalid.
        """
        if pattern not in self._regexes:
            self.steps.count_steps(_REGEX_STEPS)
            self._regexes[pattern] = Regex(pattern)
        return self._regexes[pattern]

    def is_truthy(self, obj: object) -> bool:
        """Count a test of a filter."""
        self.steps.count_steps(2)
        return super().is_truthy(obj)

    def compare(self, left: object, operator: str, right: object) -> bool:
        """Count a comparison in a filter."""
        self.steps.count_steps(2 + _comparison_steps(left, operator, right))
        if operator in ("in", "contains") and isinstance(left, str) and isinstance(right, str):
            return self.steps.contains(right, left) if operator == "in" else self.steps.contains(left, right)
        if operator == "=~" and isinstance(left, str) and isinstance(right, Regex):
            self.steps.count_steps(right.steps(left))
        return super().compare(left, operator, right)


def _comparison_steps(left: object, operator: str, right: object) -> int:
    if operator in ("in", "contains"):
        return _size(right if operator == "in" else left)
    # Containers of different lengths differ at first sight.
    is_deep = isinstance(left, dict | list) and isinstance(right, dict | list) and len(left) == len(right)
    return 10 + min(_size(left), _size(right)) if is_deep else 0


def _size(operand: object) -> int:
    """Return how long it takes to compare an operand: its number of values up to a limit."""
    values, size = [operand], -1
    while values and size < _MAX_COUNTED_VALUES:
        value = values.pop()
        size += 1
        if isinstance(value, dict | list):
            values += islice(value.values() if isinstance(value, dict) else value, _MAX_COUNTED_VALUES)
    return size
