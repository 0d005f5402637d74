"""
Writes a Bicep file as an ARM template, for those who have no Bicep: as much of the language as deploy/azure/main.bicep uses.
What it does not know it refuses, with the line. Microsoft's own compiler writes other text with the same meaning.

usage: bicep_to_arm.py main.bicep > main.json        (needs tree-sitter and tree-sitter-bicep)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_bicep

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
PARAMETER_TYPES = {"string": "string", "bool": "bool", "int": "int", "array": "array", "object": "object"}
OPERATORS = {"==": "equals", "&&": "and", "||": "or", "!=": "equals"}


class Unknown(Exception):
    """Something that this translation does not know."""


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Template:
    def __init__(self, source: bytes) -> None:
        self.source = source
        self.root = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language())).parse(source).root_node
        if self.root.has_error:
            raise Unknown("The file is not well-formed.")
        self.parameters: dict[str, Any] = {}
        self.variables: dict[str, Any] = {}
        #: Symbolic name to its declaration's node.
        self.symbols: dict[str, Any] = {}
        self.loop: dict[str, str] = {}
        self.used: list[tuple[str, str | None]] = []

    def translate(self) -> dict[str, Any]:
        declarations = self.declarations()
        for node, _ in declarations:
            if node.type == "resource_declaration":
                self.symbols[self.text(node.named_children[0])] = node
            elif node.type == "parameter_declaration":
                self.parameters[self.text(node.named_children[0])] = {}
            elif node.type == "variable_declaration":
                self.variables[self.text(node.named_children[0])] = None
        resources, outputs = [], {}
        for node, decorators in declarations:
            name = self.text(node.named_children[0])
            if node.type == "parameter_declaration":
                self.parameters[name] = self.parameter(node, decorators)
            elif node.type == "variable_declaration":
                self.variables[name] = self.value(node.named_children[1])
            elif node.type == "resource_declaration":
                resources.append(self.resource(node))
            elif node.type == "output_declaration":
                outputs[name] = {"type": self.text(node.named_children[1]), "value": self.value(node.named_children[2])}
            else:
                raise self.unknown(node)
        return {
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "metadata": {"description": "Made from main.bicep by npm run templates; change that."},
            "parameters": self.parameters,
            "variables": self.variables,
            "resources": resources,
            "outputs": outputs,
        }

    def declarations(self) -> list[tuple[Any, list[Any]]]:
        """Each declaration with its decorators, which come before it."""
        found: list[tuple[Any, list[Any]]] = []
        decorators: list[Any] = []
        for node in self.root.named_children:
            if node.type in ("comment", "diagnostic_comment"):
                continue
            if node.type == "decorators":
                decorators.extend(node.named_children)
            elif node.type == "decorator":
                decorators.append(node)
            else:
                found.append((node, decorators))
                decorators = []
        return found

    def parameter(self, node: Any, decorators: list[Any]) -> dict[str, Any]:
        _, kind, *default = node.named_children
        result: dict[str, Any] = {"type": PARAMETER_TYPES[self.text(kind)]}
        if default:
            result["defaultValue"] = self.value(default[0])
        for decorator in decorators:
            function, arguments = decorator.named_children[0].named_children
            name, given = self.text(function), [self.value(one) for one in arguments.named_children]
            if name == "description":
                result["metadata"] = {"description": given[0]}
            elif name == "allowed":
                result["allowedValues"] = given[0]
            elif name == "secure":
                result["type"] = "secure" + result["type"]
            elif name in ("minLength", "maxLength"):
                result[name] = given[0]
            else:
                raise self.unknown(decorator)
        return result

    def resource(self, node: Any) -> dict[str, Any]:
        kind, version, config = self.kind(node), self.version(node), self.config(node)
        self.used = []
        result: dict[str, Any] = {"type": kind, "apiVersion": version}
        wrapper = node.named_children[2]
        if wrapper.type == "if_statement":
            result["condition"] = self.bracket(self.expression(wrapper.named_children[0].named_children[0]))
        if wrapper.type == "for_statement":
            self.loop = self.loop_variables(wrapper)
            over = self.expression(wrapper.named_children[1])
            result["copy"] = {
                "name": self.text(node.named_children[0]),
                "count": self.bracket(f"length({over})"),
            }
        result["name"] = self.bracket(self.name(node))
        depends: list[Any] = []
        for name, value in self.properties(config):
            if name == "name":
                continue
            if name == "parent":
                self.used.append((self.text(value), None))
            elif name == "dependsOn":
                self.used += [(self.text(one), None) for one in value.named_children]
            elif name == "scope":
                result["scope"] = self.bracket(self.resource_id(*self.symbol(value)))
            else:
                result[name] = self.value(value)
        for symbol, index in dict.fromkeys(self.used):
            depends.append(self.dependency(symbol, index))
        if depends:
            result["dependsOn"] = depends
        self.loop = {}
        return result

    def dependency(self, symbol: str, index: str | None) -> str:
        # A loop as a whole goes by its name.
        if self.symbols[symbol].named_children[2].type == "for_statement" and index is None:
            return symbol
        return self.bracket(self.resource_id(symbol, index))

    def loop_variables(self, wrapper: Any) -> dict[str, str]:
        over = self.expression(wrapper.named_children[1])
        names = self.loop_names(wrapper)
        variables = {self.text(names[0]): f"{over}[copyIndex()]"}
        if len(names) > 1:
            variables[self.text(names[1])] = "copyIndex()"
        return variables

    def loop_names(self, wrapper: Any) -> list[Any]:
        """The names of a loop's item and, if there is one, of its index."""
        head = wrapper.named_children[0]
        return head.named_children or [head]

    def kind(self, node: Any) -> str:
        return self.string(node.named_children[1]).split("@")[0]

    def version(self, node: Any) -> str:
        return self.string(node.named_children[1]).split("@")[1]

    def config(self, node: Any) -> Any:
        wrapper = node.named_children[2]
        return wrapper if wrapper.type == "object" else wrapper.named_children[-1]

    def properties(self, node: Any) -> list[tuple[str, Any]]:
        return [
            (self.text(one.named_children[0]), one.named_children[1])
            for one in node.named_children
            if one.type == "object_property"
        ]

    def name_parts(self, node: Any, index: str | None) -> list[str]:
        """The expressions of a resource's own name and of those that it lies in, the outermost first."""
        config = dict(self.properties(self.config(node)))
        outer = self.name_parts(self.symbols[self.text(config["parent"])], None) if "parent" in config else []
        wrapper = node.named_children[2]
        before = self.loop
        if wrapper.type == "for_statement" and index is not None:
            over = self.expression(wrapper.named_children[1])
            self.loop = {self.text(self.loop_names(wrapper)[0]): f"{over}[{index}]"}
        own = self.expression(config["name"])
        self.loop = before
        return [*outer, own]

    def name(self, node: Any) -> str:
        parts = self.name_parts(node, None)
        if len(parts) == 1:
            return parts[0]
        return f"format({literal('/'.join(f'{{{n}}}' for n in range(len(parts))))}, {', '.join(parts)})"

    def resource_id(self, symbol: str, index: str | None) -> str:
        node = self.symbols[symbol]
        return f"resourceId({literal(self.kind(node))}, {', '.join(self.name_parts(node, index))})"

    def symbol(self, node: Any) -> tuple[str, str | None]:
        """The resource that a node names, and which of its loop; what names it depends on it."""
        index = None
        if node.type == "subscript_expression":
            index = self.expression(node.named_children[1])
            node = node.named_children[0]
        name = self.text(node)
        if name not in self.symbols:
            raise self.unknown(node)
        self.used.append((name, index))
        return name, index

    def value(self, node: Any) -> Any:
        """A node as JSON; what has to be computed as text in brackets."""
        if node.type == "object":
            return {name: self.value(value) for name, value in self.properties(node)}
        if node.type == "array":
            return [self.value(one) for one in node.named_children]
        if node.type == "string" and not any(one.type == "interpolation" for one in node.named_children):
            text = self.string(node)
            return f"[{text}" if text.startswith("[") else text
        if node.type == "boolean":
            return self.text(node) == "true"
        if node.type == "number":
            return int(self.text(node))
        return self.bracket(self.expression(node))

    def expression(self, node: Any) -> str:
        children = node.named_children
        if node.type == "identifier":
            return self.identifier(node)
        if node.type == "string":
            return self.interpolated(node)
        if node.type == "boolean":
            return f"{self.text(node)}()"
        if node.type in ("number", "null"):
            return "null()" if node.type == "null" else self.text(node)
        if node.type == "parenthesized_expression":
            return self.expression(children[0])
        if node.type == "unary_expression" and self.text(node).startswith("!"):
            return f"not({self.expression(children[0])})"
        if node.type == "binary_expression":
            return self.binary(node)
        if node.type == "ternary_expression":
            return f"if({', '.join(self.expression(one) for one in children)})"
        if node.type == "call_expression":
            return self.call(node)
        if node.type == "subscript_expression":
            return f"{self.expression(children[0])}[{self.expression(children[1])}]"
        if node.type == "member_expression":
            return self.member(node)
        if node.type == "object":
            pairs = [f"{literal(name)}, {self.expression(value)}" for name, value in self.properties(node)]
            return f"createObject({', '.join(pairs)})"
        raise self.unknown(node)

    def identifier(self, node: Any) -> str:
        name = self.text(node)
        if name in self.loop:
            return self.loop[name]
        if name in self.parameters:
            return f"parameters({literal(name)})"
        if name in self.variables:
            return f"variables({literal(name)})"
        raise self.unknown(node)

    def binary(self, node: Any) -> str:
        left, right = node.named_children
        operator = self.source[left.end_byte : right.start_byte].decode().strip()
        if operator not in OPERATORS:
            raise self.unknown(node)
        call = f"{OPERATORS[operator]}({self.expression(left)}, {self.expression(right)})"
        return f"not({call})" if operator == "!=" else call

    def call(self, node: Any) -> str:
        function, arguments = node.named_children
        given = [self.expression(one) for one in arguments.named_children]
        if function.type == "member_expression":
            resource, method = function.named_children
            symbol, index = self.symbol(resource)
            version = literal(self.version(self.symbols[symbol]))
            return f"{self.text(method)}({self.resource_id(symbol, index)}, {version})"
        return f"{self.text(function)}({', '.join(given)})"

    def member(self, node: Any) -> str:
        inner, property_name = node.named_children
        if inner.type == "identifier" and self.text(inner) in self.symbols:
            symbol, index = self.symbol(inner)
            identity = self.resource_id(symbol, index)
            version = literal(self.version(self.symbols[symbol]))
            if self.text(property_name) == "id":
                return identity
            if self.text(property_name) == "properties":
                return f"reference({identity}, {version})"
            return f"reference({identity}, {version}, 'full').{self.text(property_name)}"
        return f"{self.expression(inner)}.{self.text(property_name)}"

    def interpolated(self, node: Any) -> str:
        if not any(one.type == "interpolation" for one in node.named_children):
            return literal(self.string(node))
        text, given = "", []
        for one in node.named_children:
            if one.type == "interpolation":
                text += f"{{{len(given)}}}"
                given.append(self.expression(one.named_children[0]))
            else:
                text += self.text(one).replace("{", "{{").replace("}", "}}")
        return f"format({literal(text)}, {', '.join(given)})"

    def string(self, node: Any) -> str:
        return "".join(self.unescaped(one) for one in node.named_children)

    def unescaped(self, node: Any) -> str:
        text = self.text(node)
        if node.type == "escape_sequence":
            return {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\$": "$"}[text]
        return text

    def bracket(self, expression: str) -> str:
        return f"[{expression}]"

    def text(self, node: Any) -> str:
        return self.source[node.start_byte : node.end_byte].decode()

    def unknown(self, node: Any) -> Unknown:
        return Unknown(f"Line {node.start_point[0] + 1}: {node.type} {self.text(node)[:60]!r} is not translated.")


if __name__ == "__main__":
    try:
        print(json.dumps(Template(Path(sys.argv[1]).read_bytes()).translate(), indent=2))
    except Unknown as error:
        sys.exit(str(error))
