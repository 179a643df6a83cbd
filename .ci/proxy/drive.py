"""Raw requests through the proxy, where SDKs would hide what comes: `drive.py STEP [ARGUMENTS]`, one function a step."""

import concurrent.futures, http.client, json, os, pathlib, signal, socket, sys, time, urllib.parse, urllib.request

URL, TOKEN = os.environ["MCP_OPENAI_URL"], os.environ["MCP_OPENAI_TOKEN"]
ADMINS, SILENT, STALLED = os.environ["MCP_OPENAI_ADMINS"].split(), os.environ["SILENT_MODEL"], os.environ["STALLED_MODEL"]
OWN = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
MODERN = "2026-07-28"


def send(body, headers, url=URL, method="POST"):
    """The connection and its answer, whose body is not read yet."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request(method, address.path, body, headers)
    return connection, connection.getresponse()


def call(tool, arguments, client="drive", **meta):
    """A call of the modern era: body and headers."""
    known = {"protocolVersion": MODERN, "clientInfo": {"name": client, "version": "1"}, "clientCapabilities": {}}
    meta |= {f"io.modelcontextprotocol/{key}": value for key, value in known.items()}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": meta}}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    return json.dumps(message), OWN | headers


def last_event(body):
    data = [line[5:] for line in body.decode().splitlines() if line.startswith("data:")]
    return json.loads(data[-1] if data else body)


def result(tool, arguments, **options):
    _, answer = send(*call(tool, arguments, **options))
    return last_event(answer.read())["result"]["structuredContent"]


def legacy(method, session=None, url=URL, **params):
    headers = OWN | ({"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"} if session else {})
    return send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), headers, url)[1]


def opened(url=URL):
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "drive", "version": "1"}}
    answer = legacy("initialize", url=url, **about)
    answer.read()
    return answer.headers["Mcp-Session-Id"]


def gauges(admin, name):
    """The sum of the series of a metric at one replica."""
    page = urllib.request.urlopen(f"{admin}/metrics", timeout=10).read().decode()
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


def until(seconds, what, holds):
    since = time.monotonic()
    while not (held := holds()):
        assert time.monotonic() - since < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return held


def errors():
    """Every refusal is a JSON-RPC error, whoever it comes from."""
    good = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    refused = [
        (401, send(good, OWN | {"Authorization": "Bearer wrong"})),
        (400, send("{", OWN)),
        (415, send(good, OWN | {"Content-Type": "text/plain"})),
        (406, send(good, OWN | {"Accept": "text/html"})),
        (404, send(good, OWN | {"Mcp-Session-Id": "nobodys"})),
        (405, send(None, OWN, method="PUT")),
        (404, send(None, OWN, url=URL.replace("/mcp", "/else"), method="GET")),
        (413, send("x" * (17 << 20), OWN)),
    ]
    for status, (_, answer) in refused:
        body = answer.read()
        assert answer.status == status, (status, answer.status, body)
        assert "error" in json.loads(body), (status, body)


def raw(request):
    """Sends what no client library would; the answer's status and body."""
    address = urllib.parse.urlsplit(URL)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def own_errors():
    """What the proxy refuses itself is JSON-RPC, too."""
    long = b"x" * 40_000
    for status, request in {
        400: b"no request\r\n\r\n",
        414: b"GET /" + long + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        431: b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-Long: " + long + b"\r\n\r\n",
    }.items():
        told, body = raw(request)
        assert told == status and "error" in json.loads(body), (status, told, body)


def paths(replica):
    """The proxy answers for a path as a replica does, and passes on where clients get a token."""
    well_known = "/.well-known/oauth-protected-resource"
    for path in ("/mcp/", well_known, f"{well_known}/mcp"):
        (_, own), (_, through) = (send(None, OWN, url=server + path, method="GET") for server in (replica, URL[:-4]))
        said = [(answer.status, answer.read()) for answer in (own, through)]
        assert said[0] == said[1] and "error" in json.loads(said[1][1]), (path, said)
    # A page of the service's own is no stranger to it.
    body, headers = call("list-models", {})
    _, answer = send(body, headers | {"Origin": URL[:-4]})
    assert answer.status == 200, (answer.status, answer.read())


def silence():
    """Headers within 5 s, a sign of life every 15 s, and the result: seen by the client, not by the proxy alone."""
    since = time.monotonic()
    _, answer = send(*call("ask-openai", {"query": "Silence", "model": SILENT}))
    begun, signs, body = time.monotonic() - since, [], b""
    assert begun < 6, f"headers after {begun:.1f} s"
    while piece := answer.read1():
        signs.append(time.monotonic())
        body += piece
    longest = max(after - before for before, after in zip(signs, signs[1:]))
    assert longest < 16, f"silent for {longest:.1f} s"
    assert last_event(body)["result"]["structuredContent"]["status"] == "complete"


def gone():
    """A client that goes away, and nothing more: its request to the upstream ends."""
    running = lambda: sum(gauges(admin, "mcp_openai_queue_running") for admin in ADMINS)
    before = running()
    connection, answer = send(*call("ask-openai", {"query": "Gone", "model": STALLED}, progressToken="p"))
    answer.read1()
    until(5, "the call runs", lambda: running() > before)
    answer.close()
    connection.close()
    until(2, "the call has ended with its client", lambda: running() == before)


def sessions(*replicas):
    """A session of one replica is served by every other, and through the proxy, whichever that asks."""
    for replica in replicas:
        session = opened(replica)
        statuses = [legacy("ping", session, url=other).status for other in replicas]
        assert set(statuses) == {200}, statuses
        for _ in range(4):
            assert legacy("ping", session).status == 200


def links(*replicas):
    """A link to a picture opens it at every replica and through the proxy, without a token, and only as it was given."""
    link = urllib.parse.urlsplit(result("create-image", {"prompt": "A picture to link to"})["images"][0]["link"])
    assert link.path.startswith("/images/") and link.netloc == urllib.parse.urlsplit(URL).netloc, link
    for server in (URL, *replicas):
        at = link._replace(netloc=urllib.parse.urlsplit(server).netloc)
        with urllib.request.urlopen(at.geturl(), timeout=10) as opened:
            assert opened.headers["Content-Type"] == "image/png" and opened.read(4) == b"\x89PNG", opened.headers
        try:
            urllib.request.urlopen(at._replace(query=at.query.replace("of=drive", "of=another")).geturl(), timeout=10)
        except urllib.error.HTTPError as refused:
            assert refused.code == 404, refused
        else:
            raise AssertionError("a forged link")


def hand_out():
    """Prints a job, the replica that runs it, by its number, and nothing else."""
    told = result("ask-openai", {"query": "A job", "model": STALLED}, client="hasty")
    assert told["status"] == "running", told
    print(told["job"], next(at for at, admin in enumerate(ADMINS, 1) if gauges(admin, "mcp_openai_queue_running")))


def cut(number, process):
    """Kills a replica while a call runs on it: its client is told at once, by an error or by a stream that breaks off."""
    running = lambda: [gauges(admin, "mcp_openai_queue_running") for admin in ADMINS]
    at, before = int(number) - 1, running()
    with concurrent.futures.ThreadPoolExecutor(100) as sending:
        # Until one has come to that replica; those on the other one end with this program.
        for attempt in range(100):
            sent = sending.submit(send, *call("ask-openai", {"query": f"Cut {attempt}", "model": STALLED}))
            until(5, "the call runs", lambda: sum(running()) > sum(before) + attempt)
            if running()[at] > before[at]:
                break
        os.kill(int(process), signal.SIGKILL)
        _, answer = sent.result(timeout=5)
        try:
            body = answer.read()
            assert answer.status == 502 and "error" in json.loads(body), (answer.status, body)
        except http.client.IncompleteRead as broken:
            assert answer.status == 200 and b"result" not in broken.partial
        # The others would be waited for.
        os._exit(0)


def interrupted(job):
    """The job of a replica that was killed, within 30 s."""
    ended = lambda: (told := result("get-result", {"job": job, "wait_seconds": 0})).get("status") != "running" and told
    told = until(30, "the job is interrupted", ended)
    assert told["error"]["code"] == "interrupted", told


def down():
    """No replica is left."""
    _, answer = send(*call("list-models", {}))
    assert answer.status == 502 and "error" in json.loads(answer.read())
    _, answer = send(None, {}, url=URL.replace("/mcp", "/images/fox.png"), method="GET")
    assert answer.status == 502 and "error" in json.loads(answer.read())


def load(stop, done):
    """Asks from many clients until a file `stop` is there; each call has a result. Writes their number to `done`."""
    stop, end = pathlib.Path(stop), time.monotonic() + 60

    def ask(who):
        for number in range(10_000):
            if stop.exists() or time.monotonic() > end:
                return number
            is_slow = who % 2  # 3 s of writing; the others ask again and again
            question = ("ask-openai", {"query": f"[slow] {who}, {number}"}) if is_slow else ("list-models", {})
            _, answer = send(*call(*question))
            body = answer.read()
            assert answer.status == 200, (who, number, answer.status, body)
            told = last_event(body)["result"]
            assert not told.get("isError"), (who, number, told)

    with concurrent.futures.ThreadPoolExecutor(16) as asking:
        pathlib.Path(done).write_text(str(sum(asking.map(ask, range(16)))))


def remember():
    """Prints a conversation to go on from."""
    print(result("ask-openai", {"query": "My favourite colour is teal."})["conversation"])


def recall(conversation):
    told = result("ask-openai", {"query": "Which one?", "conversation": conversation})
    assert "teal" in told["text"], told


globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
