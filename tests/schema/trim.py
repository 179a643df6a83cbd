#!/usr/bin/env python3
"""Trims OpenAI's published OpenAPI document to what the tests need.

    python3 tests/schema/trim.py openapi.json > tests/schema/openai.json

Takes the whole document as JSON and keeps the schemas named in ROOTS with everything they refer to. Prose and extensions
are dropped. `nullable: true`, a leftover of OpenAPI 3.0 that JSON Schema 2020-12 ignores, becomes a union with null.
"""

import json
import sys

ROOTS = [
    "CreateResponse", "Response", "ResponseStreamEvent", "ResponseItemList", "TokenCountsBody", "TokenCountsResource",
    "CreateChatCompletionRequest", "CreateChatCompletionResponse", "CreateChatCompletionStreamResponse",
    "CreateImageRequest", "ImagesResponse", "ImageGenStreamEvent",
    "CreateImageEditRequest", "EditImageBodyJsonParam", "ImageEditStreamEvent",
    "ListModelsResponse", "Model", "ErrorResponse",
]
PROSE = {"description", "title", "example", "examples", "default", "deprecated", "discriminator", "nullable"}


def trimmed(schema):
    """One schema without its prose; its properties keep their names, whatever these are."""
    if isinstance(schema, list):
        return [trimmed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: trimmed(part) for name, part in value.items()} if key == "properties" else trimmed(value)
        for key, value in schema.items()
        if key not in PROSE and not key.startswith("x-")
    }
    return {"anyOf": [kept, {"type": "null"}]} if schema.get("nullable") is True else kept


def references(schema):
    """The names of the schemas that this one refers to."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].rsplit("/", 1)[-1]
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    schemas, wanted = {}, list(ROOTS)
    while wanted:
        name = wanted.pop()
        if name not in schemas:
            schemas[name] = trimmed(document["components"]["schemas"][name])
            wanted.extend(references(schemas[name]))
    result = {
        "info": {key: document["info"][key] for key in ("title", "version", "license")},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }
    json.dump(result, sys.stdout, separators=(",", ":"), ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
