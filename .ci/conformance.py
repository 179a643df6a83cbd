"""Holds a run of the MCP conformance suite against the single checks that are excused.

Usage: conformance.py RESULTS BASELINE. The baseline has a line `scenario check` for each check that fails and may; what
else fails, what is excused and passes, and a check that was not made at all are errors. The suite's own baseline would
excuse whole scenarios.
"""

import json
import pathlib
import re
import sys

results, baseline = map(pathlib.Path, sys.argv[1:])
excused = {tuple(line.split("#")[0].split()) for line in baseline.read_text().splitlines()} - {()}
made, failed = set(), {}
for checks in sorted(results.glob("*/checks.json")):
    scenario = re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT.*$", r"\1", checks.parent.name)
    for check in json.loads(checks.read_text()):
        name = (scenario, check["id"])
        made.add(name)
        if check["status"] == "FAILURE":
            failed[name] = check.get("errorMessage") or check.get("description") or ""

wrong = [f"fails: {' '.join(name)}: {why}" for name, why in sorted(failed.items()) if name not in excused]
wrong += [f"passes, and is excused: {' '.join(name)}" for name in sorted(excused & made - set(failed))]
wrong += [f"was not made, and is excused: {' '.join(name)}" for name in sorted(excused - made)]
scenarios = {scenario for scenario, _ in made}
print(f"{len(scenarios)} scenarios, {len(made)} checks: {len(made) - len(failed)} pass, {len(failed)} are excused or wrong")
print("\n".join(wrong))
# A suite that did not run makes no checks.
sys.exit(bool(wrong) or not made)
