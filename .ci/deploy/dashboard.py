"""Asks Prometheus what every panel of the dashboard asks, and compares the metrics that are named with those that are there:
`dashboard.py MONITORING PAGE PROMETHEUS SERVER ADMIN TOKEN`."""

import json, pathlib, re, sys, time, urllib.error, urllib.parse, urllib.request

monitoring, page, prometheus, server, admin, token = sys.argv[1:]
NAME = re.compile(r"\b(?:mcp_openai|process)_\w+")


def read(url, body=None, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return answer.read().decode()


def until(what, holds):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if held := holds():
                return held
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    sys.exit(f"not within 30 s: {what}")


def call(tool, **arguments):
    about = {"protocolVersion": "2026-07-28", "clientInfo": {"name": "drive", "version": "1"}, "clientCapabilities": {}}
    meta = {f"io.modelcontextprotocol/{key}": value for key, value in about.items()}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": meta}}
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool}
    headers["Authorization"] = f"Bearer {token}"
    return json.loads(read(f"{server}/mcp", json.dumps(message).encode(), **headers))["result"]


def refused():
    try:
        read(f"{server}/mcp", b"{", **{"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    except urllib.error.HTTPError as error:
        assert error.code == 400, error


def asked(expression):
    """The answer to a panel's question, as a dashboard of the last minute puts it."""
    for variable, value in {"$__rate_interval": "1m", "$job": ".+"}.items():
        expression = expression.replace(variable, value)
    answer = json.loads(read(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
    values = [float(series["value"][1]) for series in answer["data"]["result"]]
    return [value for value in values if value == value]


dashboard = json.loads(pathlib.Path(monitoring, "dashboard.json").read_text())
panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
until("the server is ready", lambda: read(f"{admin}/readyz") == "ok")
# Each twice, because a rate has two ends, and one that is refused.
until("it is scraped", lambda: asked("min(up) == 1 and count(up) == 2"))
for number in range(2):
    call("ask-openai", query=f"Question {number}")
    call("create-image", prompt="a fox", quality="low")
    call("ask-openai", query="Why?", model="no-such-model")
    refused()
    before = time.time()
    until("it is scraped again", lambda: asked(f"min(timestamp(mcp_openai_queue_running)) > {before}"))
for panel in panels:
    for target in panel["targets"]:
        until(f"{panel['title']}: {target['expr']}", lambda: asked(target["expr"]))

groups = json.loads(read(f"{prometheus}/api/v1/rules"))["data"]["groups"]
rules = [rule for group in groups for rule in group["rules"]]
assert rules and all(rule["health"] == "ok" for rule in rules), rules

there = set(re.findall(r"^# TYPE (\w+)", read(f"{admin}/metrics"), re.MULTILINE))
parts = {name + part for name in there for part in ("_bucket", "_sum", "_count")}
for name in ("dashboard.json", "rules.yml"):
    named = set(NAME.findall(pathlib.Path(monitoring, name).read_text()))
    assert named and named <= there | parts, f"{name} names what is not exported: {named - there - parts}"
# The page writes `..._spent_usd` for the second and third gauge of a budget.
shown = set(NAME.findall(pathlib.Path(page).read_text()))
missing = {name for name in there - shown if not name.startswith("mcp_openai_budget_day_")}
assert not missing, f"{page} does not tell of {missing}"
print(f"{len(panels)} panels and {len(rules)} rules on {len(there)} metrics")
