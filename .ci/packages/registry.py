#!/usr/bin/env python3
"""Serves the files of a folder on loopback, npm's packages among them as npm's registry does. The first line of its output
is its URL."""

import http.server
import io
import json
import pathlib
import sys
import tarfile

folder = pathlib.Path(sys.argv[1]).resolve()


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments):
        super().__init__(*arguments, directory=folder)

    def do_GET(self):
        if self.path == "/mcp-openai":
            self.answer(json.dumps(self.versions()).encode())
        else:
            super().do_GET()

    def versions(self):
        versions = {}
        for path in folder.glob("*.tgz"):
            with tarfile.open(path) as packed:
                package = json.load(packed.extractfile("package/package.json"))
            host = self.headers["Host"]
            versions[package["version"]] = package | {"dist": {"tarball": f"http://{host}/{path.name}"}}
        latest = next(version for version in versions if "-" not in version)
        return {"name": "mcp-openai", "dist-tags": {"latest": latest}, "versions": versions}

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.copyfile(io.BytesIO(body), self.wfile)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
