#!/usr/bin/env python3
"""Adds the program in the arguments to every client it knows, in the home that HOME names, and starts each server exactly as
that client's file says: an answer and a picture each. Then takes it out of all of them again: nothing may be left."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import yaml

from drive import drive

READERS = {".json": json.loads, ".toml": tomllib.loads, ".yaml": yaml.safe_load}
SECTIONS = ["mcpServers", "servers", "context_servers", "mcp_servers", "extensions"]


def run(program, *arguments, code=0):
    done = subprocess.run([*program, *arguments], capture_output=True, text=True)
    assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done


def server(file):
    settings = READERS[file.suffix](file.read_text())
    section = next(name for name in SECTIONS if name in settings)
    return settings[section]["openai"]


def start(file):
    entry = server(file)
    command = entry.get("command") or entry["cmd"]
    assert pathlib.Path(command).is_absolute(), f"{file} starts {command}"
    # Variables that clients hand on; those that they would fill in from their own environment are not set there.
    named = entry.get("env") or entry.get("envs") or {}
    environment = {name: os.environ[name] for name in ["HOME", "MCP_OPENAI_LOG"] if name in os.environ}
    environment |= {name: value for name, value in named.items() if "$" not in value}
    drive([command, *entry["args"]], environment)
    return command


def main(program):
    # In an empty home none is found, and all are named.
    clients = re.search("all the same: (.*)", run(program, "install", code=1).stderr)[1].split(", ")
    files = {}
    for client in clients:
        told = run(program, "print-config", client).stderr
        files[client] = pathlib.Path(re.search("For (.*):", told)[1])
    run(program, "--sandbox", "install", *clients)
    # All at once, as on a machine with many clients.
    with concurrent.futures.ThreadPoolExecutor(len(files)) as threads:
        started = set(threads.map(start, files.values()))
    run(program, "uninstall", *clients)
    left = [str(file) for file in files.values() if file.exists()]
    assert not left, f"uninstall left {left}"
    print(f"ok: {len(clients)} clients start {', '.join(started)}")


main(sys.argv[1:])
