"""`python -m tests.support.client_code`: write `client/rest`, one module a resource, from docs/openapi-v1.yml.

An operation becomes the method that its operationId names, of the resource that its path begins with: what its path
needs comes first, then its parameters and the fields of its body, all typed. `tests/webui/api/test_schema.py` says
when it has to be run again.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "openapi-v1.yml"
TARGET = ROOT / "client" / "rest"
PREFIX = "/api/v1/"
JSON, NDJSON = "application/json", "application/x-ndjson"
MADE = "python -m tests.support.client_code makes this of docs/openapi-v1.yml."
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def resource_of(path: str) -> str:
    return path.removeprefix(PREFIX).split("/")[0].replace("-", "_")


def method_of(path: str, operation_id: str) -> str:
    name = operation_id.removeprefix(f"{resource_of(path)}_")
    return f"{name}_" if keyword.iskeyword(name) else name


def class_of(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


class Types:
    """The types of requests' bodies in one module, each with those that it is made of."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self.classes: dict[str, str] = {}

    def name(self, schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            return self._referred(schema["$ref"].rsplit("/", 1)[-1])
        for combined in ("oneOf", "anyOf", "allOf"):
            if combined in schema:
                return " | ".join(dict.fromkeys(self.name(one) for one in schema[combined]))
        if "enum" in schema:
            return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        return " | ".join(dict.fromkeys(self._one(str(one), schema) for one in kinds))

    def _one(self, kind: str, schema: dict[str, Any]) -> str:
        if kind == "array":
            return f"Sequence[{self.name(schema.get('items', {}))}]"
        if kind == "object":
            values = schema.get("additionalProperties")
            return f"Mapping[str, {self.name(values) if isinstance(values, dict) else 'Any'}]"
        return _PLAIN.get(kind, "Any")

    def _referred(self, name: str) -> str:
        schema = self.schemas[name]
        if "properties" not in schema:
            return self.name(schema)
        if name not in self.classes:
            self.classes[name] = ""
            required = set(schema.get("required", ()))
            lines = [f"class {name}(TypedDict, total=False):"]
            told = schema.get("description", "").strip().splitlines()
            if told and not told[0].startswith("Base of every"):
                lines.append(f'    """{told[0].strip()}"""\n')
            for field, value in schema["properties"].items():
                kind = self.name(value)
                lines.append(f"    {field}: {f'Required[{kind}]' if field in required else kind}")
            self.classes[name] = "\n".join(lines)
        return name


class Module:
    """One resource: its operations as methods, and the types of their bodies."""

    def __init__(self, resource: str, schemas: dict[str, Any]) -> None:
        self.resource = resource
        self.types = Types(schemas)
        self.methods: list[str] = []

    def add(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        """One operation."""
        inside = re.findall(r"{(\w+)}", path)
        parameters = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
        signature = ["self", *(f"{name}: {self._path_type(operation, name)}" for name in inside)]
        asked = [(one["name"], _python(one["name"]), one) for one in parameters]
        body = operation.get("requestBody", {}).get("content", {})
        kind = next(iter(body), None)
        streamed = kind is not None and kind != JSON
        if streamed:
            signature.append("data: Body")
        if asked:
            signature += ["*", *(self._parameter(name, one) for _, name, one in asked)]
        fields = self._body(body) if kind == JSON else None
        if fields:
            signature.append(f"**body: Unpack[{fields}]")
        pattern = re.sub(r"{\w+}", "{}", path)
        where = f'located("{pattern}", {", ".join(inside)})' if inside else f'"{path}"'
        query = ", ".join(f'"{name}": {python}' for name, python, _ in asked)
        returned, call = self._call(verb.upper(), where, f"{{{query}}}" if query else None, operation, kind, fields)
        name = method_of(path, operation["operationId"])
        lines = [f"    def {name}({', '.join(signature)}) -> {returned}:", *self._told(operation), f"        {call}"]
        self.methods.append("\n".join(lines))

    def _call(
        self, verb: str, where: str, query: str | None, operation: dict[str, Any], kind: str | None, fields: str | None
    ) -> tuple[str, str]:
        """(what the method returns, its last line)."""
        contents = _answers(operation)
        if kind is not None and kind != JSON:
            return "Json", f'return self._give("{verb}", {where}, {query or "{}"}, data, "{kind}")'
        if {"next", "results"} <= self._properties(contents.get(JSON, {}).get("schema", {})):
            return "Iterator[Json]", f"return self._rows({where}, {query or '{}'})"
        if contents and JSON not in contents:
            asked = f", {query}" if query else ""
            return "Answer", f'return self._open("{verb}", {where}{asked})'
        body = ("body=body" if fields else "body={}") if kind == JSON else ""
        rest = ", ".join(filter(None, [f'"{verb}"', where, query or ("" if not body else None), body]))
        call = f"self._ask({rest})"
        return ("None", call) if not contents else ("Json", f"return {call}")

    def _properties(self, schema: dict[str, Any]) -> set[str]:
        named = self.types.schemas.get(schema.get("$ref", "").rsplit("/", 1)[-1], {})
        return set(named.get("properties", ()))

    def _told(self, operation: dict[str, Any]) -> list[str]:
        text = " ".join(operation.get("description", "").split()).replace("\\", "\\\\")
        if len(text) <= 104:
            return [f'        """{text}"""']
        first, _, rest = text.partition(". ")
        return [f'        """{first}.', "", *(f"        {line}" for line in _wrapped(rest)), '        """']

    def _parameter(self, name: str, parameter: dict[str, Any]) -> str:
        kind = self.types.name(parameter["schema"])
        kind = "bool | str" if kind in ("Literal['true', 'false']", "Literal['false', 'true']") else kind
        return f"{name}: {kind}" if parameter.get("required") else f"{name}: {kind} | None = None"

    def _path_type(self, operation: dict[str, Any], name: str) -> str:
        schema = next(one["schema"] for one in operation["parameters"] if one["in"] == "path" and one["name"] == name)
        return _PLAIN.get(schema.get("type", "string"), "str")

    def _body(self, body: dict[str, Any]) -> str | None:
        name = body[JSON]["schema"]["$ref"].rsplit("/", 1)[-1]
        if not self.types.schemas[name].get("properties"):
            return None
        return self.types.name(body[JSON]["schema"])

    def files(self) -> dict[str, str]:
        """Names of modules → their text."""
        name = f"{self.resource}_bodies"
        own = "\n\n\n".join(text for text in self.types.classes.values())
        code = "\n\n".join(self.methods)
        made = {
            f"{self.resource}.py": f'"""{PREFIX}{self.resource.replace("_", "-")}/. {MADE}"""\n\n'
            "from __future__ import annotations\n\n"
            "from collections.abc import Iterator, Mapping, Sequence\nfrom typing import Any, Literal, Unpack\n\n"
            "from client.resource import Json, Resource\nfrom client.transport import Answer, Body, located\n"
            + (f"from client.rest.{name} import {', '.join(sorted(self.types.classes))}\n" if own else "")
            + f"\n\nclass {class_of(self.resource)}(Resource):\n{code}\n"
        }
        if own:
            made[f"{name}.py"] = (
                f'"""Bodies of {PREFIX}{self.resource.replace("_", "-")}/. {MADE}"""\n\n'
                "from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n"
                f"from typing import Any, Literal, Required, TypedDict\n\n\n{own}\n"
            )
        return made


def _python(name: str) -> str:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def _answers(operation: dict[str, Any]) -> dict[str, Any]:
    """What it answers when all goes well, by content type."""
    found: dict[str, Any] = {}
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            found.update(answer.get("content", {}))
    return found


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > 100:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def modules() -> dict[str, str]:
    """Every file of `client/rest` as it has to be."""
    document = yaml.load(DOCUMENT.read_text(), yaml.CSafeLoader)
    found: dict[str, Module] = {}
    for path, verbs in document["paths"].items():
        resource = resource_of(path)
        module = found.setdefault(resource, Module(resource, document["components"]["schemas"]))
        for verb, operation in verbs.items():
            if isinstance(operation, dict) and "operationId" in operation:
                module.add(path, verb, operation)
    files: dict[str, str] = {}
    for module in found.values():
        files |= module.files()
    names = sorted(found)
    imports = "\n".join(f"from client.rest.{name} import {class_of(name)}" for name in names)
    members = "\n".join(f"        self.{name} = {class_of(name)}(transport)" for name in names)
    files["__init__.py"] = (
        f'"""Every operation of the REST interface. {MADE}"""\n\n{imports}\n'
        f"from client.transport import Transport\n\n\n"
        f'class Rest:\n    """All resources."""\n\n    def __init__(self, transport: Transport) -> None:\n{members}\n'
    )
    return formatted(files)


def formatted(files: dict[str, str]) -> dict[str, str]:
    """As `make format` leaves them."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in files.items():
            (Path(scratch) / name).write_text(text)
        for words in (["check", "--fix", "--select", "F401,I"], ["format"]):
            command = [sys.executable, "-m", "ruff", *words, "--quiet", "--no-cache", "--config"]
            subprocess.run([*command, str(ROOT / "pyproject.toml"), scratch], check=True)
        return {name: (Path(scratch) / name).read_text() for name in files}


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    wanted = modules()
    for path in TARGET.glob("*.py"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (TARGET / name).write_text(text)


if __name__ == "__main__":
    main()
