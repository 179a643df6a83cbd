#!/usr/bin/env python3
"""Starts an MCP server by the command line in the arguments, and has it answer a question and make a picture; ends with
the line `ok` and the picture's path. With `--root DIR` the paths that it names lie beneath DIR."""

import json
import pathlib
import struct
import subprocess
import sys


class Server:
    def __init__(self, command, environment):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.child = subprocess.Popen(command, env=environment, **pipes)
        self.sent = 0

    def send(self, message):
        line = json.dumps({"jsonrpc": "2.0", **message}) + "\n"
        self.child.stdin.write(line.encode())
        self.child.stdin.flush()

    def request(self, method, params):
        self.sent += 1
        self.send({"id": self.sent, "method": method, "params": params})
        for line in self.child.stdout:
            message = json.loads(line)
            if message.get("id") == self.sent:
                if "error" in message:
                    sys.exit(f"{method}: {message['error']}")
                return message["result"]
        sys.exit(f"{method}: the server ended with {self.child.wait(10)}")

    def call(self, tool, arguments):
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        text = "\n".join(block.get("text", "") for block in result["content"])
        if result.get("isError"):
            sys.exit(f"{tool}: {text}")
        return result, text

    def close(self):
        self.child.stdin.close()
        if code := self.child.wait(30):
            sys.exit(f"the server ended with {code}")


def drive(command, environment=None, root=pathlib.Path("/")):
    server = Server(command, environment)
    client = {"name": "first-minute", "version": "1"}
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    told = server.request("initialize", opening)["serverInfo"]
    server.send({"method": "notifications/initialized"})

    _, answer = server.call("ask-openai", {"query": "Say hello"})
    assert answer.strip(), "the answer is empty"
    made, _ = server.call("create-image", {"prompt": "a red boat", "quality": "low"})
    picture = pathlib.Path(made["structuredContent"]["images"][0]["path"])
    head = (root / picture.relative_to("/")).read_bytes()[:24]
    width, height = struct.unpack(">II", head[16:24])
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and width > 100 and height > 100, f"{picture} is no picture"
    server.close()
    return f"{told['name']} {told['version']}, {picture}"


def main(arguments):
    root = pathlib.Path("/")
    if arguments[0] == "--root":
        root, arguments = pathlib.Path(arguments[1]), arguments[2:]
    print(f"ok: {drive(arguments, root=root)}")


if __name__ == "__main__":
    main(sys.argv[1:])
