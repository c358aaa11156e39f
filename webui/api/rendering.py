"""JSON, and of it only the fields that were asked for: `?fields=id,name,host.name`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer

from webui import json_text

FIELDS_MAXIMUM = 50
Tree = dict[str, "Tree"]


class SparseJson(JSONRenderer):
    """DRF's, for answers to GET that went well; of a list's page the entries are thinned out, not the page."""

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        context = renderer_context or {}
        request, response = context.get("request"), context.get("response")
        if request is not None and request.method == "GET" and response is not None and response.status_code == 200:
            wanted = request.query_params.get("fields")
            if wanted:
                data = sparse(data, tree_of(wanted.split(",")[:FIELDS_MAXIMUM]))
        if data is None or self.get_indent(accepted_media_type or "", context):  # `Accept: application/json; indent=4`
            return super().render(data, accepted_media_type, renderer_context)
        return json_text.written(data, default=self.encoder_class().default)


def tree_of(paths: Iterable[str]) -> Tree:
    """`["id", "host.name"]` → `{"id": {}, "host": {"name": {}}}`; an empty tree stands for all below."""
    tree: Tree = {}
    for path in paths:
        level = tree
        for name in filter(None, path.strip().split(".")[:5]):
            level = level.setdefault(name, {})
    return tree


def sparse(data: Any, tree: Tree) -> Any:
    """What of `data` the tree names; names that are not there are passed over."""
    if isinstance(data, Mapping) and isinstance(data.get("results"), list):
        return {**data, "results": [_thin(entry, tree) for entry in data["results"]]}
    return _thin(data, tree)


def _thin(data: Any, tree: Tree) -> Any:
    if not tree:
        return data
    if isinstance(data, list):
        return [_thin(entry, tree) for entry in data]
    if isinstance(data, Mapping):
        return {name: _thin(data[name], below) for name, below in tree.items() if name in data}
    return data
