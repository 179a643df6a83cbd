#!/usr/bin/env python3
"""Trims litellm's price table to what the tests need.

    pip download --no-deps litellm
    python3 tests/oracle/trim.py litellm-*.whl > tests/oracle/litellm.json

Keeps what OpenAI's own text and image models cost by the token and by the search, one model a line.
"""

import datetime
import json
import sys
import zipfile

TABLE = "litellm/model_prices_and_context_window_backup.json"
MODES = {"chat", "responses", "image_generation"}
COSTS = ("input_cost_per_", "output_cost_per_", "cache_read_", "cache_creation_", "search_context_cost_per_query")
# Endpoints, modalities and terms of contract that the server has nothing to do with.
OTHERS = ("decisions", "audio", "pixel", "second", "character", "video")


def is_cost(key):
    return key.startswith(COSTS) and not any(other in key for other in OTHERS)


def main(wheel):
    version = wheel.rsplit("/", 1)[-1].split("-")[1]
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read(TABLE))
    models = {
        name: {key: cost for key, cost in model.items() if is_cost(key)}
        for name, model in sorted(table.items())
        if model.get("litellm_provider") == "openai" and model.get("mode") in MODES
        and "/" not in name and ":" not in name
    }
    head = {
        "source": f"litellm {version}, {TABLE}, https://pypi.org/project/litellm/{version}/",
        "read_on": datetime.date.today().isoformat(),
        "licence": "MIT, Copyright (c) 2023 Berri AI",
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    rows = [f"    {json.dumps(name)}: {json.dumps(costs)}" for name, costs in models.items() if costs]
    print("\n".join(["{", *lines, '  "models": {', ",\n".join(rows), "  }", "}"]))


main(sys.argv[1])
