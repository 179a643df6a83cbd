#!/usr/bin/env python3
"""Checks what a release says of itself, in the folder of files that `release.py pack` made for every system: what manifests name
is there, under the checksum that they give, and every package shows by its own mark that it is ours, as the registry of
MCP servers demands."""

import hashlib
import json
import pathlib
import re
import sys
import tarfile
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
VERSION = CARGO["version"]
DOWNLOADS = f"{CARGO['repository']}/releases/download/v{VERSION}"
# Files that cargo-binstall asks for on each system; on Linux with glibc it falls back to musl.
BINSTALL = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "x86_64-apple-darwin", "aarch64-apple-darwin",
            "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"]


def manifests(out):
    """Each file that is named stands before its checksum."""
    for name in ["server.json", "mcp-openai.json", "mcp-openai.rb", "winget/mcp-openai.mcp-openai.installer.yaml"]:
        text = (out / name).read_text()
        named = re.findall(re.escape(DOWNLOADS) + r"/([^\s\"]+)", text)
        sums = re.findall(r"\b[0-9a-f]{64}\b", text)
        real = [hashlib.sha256((out / file).read_bytes()).hexdigest() for file in named]
        assert named and sums == real, f"{name}: the checksums of {named} are {real}"
        assert VERSION in text and "@" not in re.sub(r"[\w]@[\w]", "", text), f"{name} is not filled in"


def marks(out):
    """The rules of modelcontextprotocol.io/registry/package-types, each against what is published."""
    listed = json.loads((out / "server.json").read_text())
    name, packages = listed["name"], listed["packages"]
    kinds = {package["registryType"] for package in packages}
    assert kinds == {"cargo", "npm", "pypi", "oci", "mcpb"}, f"server.json lists {kinds}"
    for package in packages:
        kind, more = package["registryType"], package.keys()
        if kind in ("oci", "mcpb"):
            assert not {"version", "registryBaseUrl"} & more, f"{kind}: the version is part of the identifier"
        else:
            assert package["version"] == VERSION and package["identifier"] == CARGO["name"], f"{kind}: {package}"
        assert ("fileSha256" in more) == (kind == "mcpb"), f"{kind}: only bundles have a checksum"
        assert kind != "cargo" or "runtimeHint" not in more, "cargo has no runner"
    images = [package["identifier"] for package in packages if package["registryType"] == "oci"]
    assert images == [f"ghcr.io/{name.split('/')[0].removeprefix('io.github.')}/mcp-openai:{VERSION}"], images

    with tarfile.open(out / "mcp-openai-npm.tgz") as npm:
        assert json.load(npm.extractfile("package/package.json"))["mcpName"] == name, "npm: package.json has no mcpName"
    wheels = list(out.glob("*.whl"))
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as files:
            metadata = files.read(f"mcp_openai-{VERSION}.dist-info/METADATA").decode()
        assert is_marked(metadata, name), f"{wheel.name}: its description has no mcp-name"
    # crates.io leaves comments out of what it shows, and the registry reads what is shown.
    readme = re.sub(r"<!--.*?-->", "", (ROOT / "README.md").read_text(), flags=re.S)
    assert is_marked(readme, name), "README.md has no mcp-name that is seen"
    label = f'LABEL io.modelcontextprotocol.server.name="{name}"\n'
    assert label in (ROOT / "packaging/Dockerfile").read_text(), "the image has no label"
    return f"{len(packages)} packages of {name}, {len(wheels)} wheels"


def is_marked(text, name):
    return re.search(rf"mcp-name: {re.escape(name)}(?![\w./-])", text)


def binstall(out):
    """The archives that cargo-binstall looks for are those of the release, with the binary where it expects it."""
    metadata = CARGO["metadata"]["binstall"]
    for target in BINSTALL:
        here = metadata | metadata["overrides"].get(target, {})
        windows = "windows" in target
        words = {"repo": CARGO["repository"], "version": VERSION, "target": target, "bin": CARGO["name"],
                 "binary-ext": ".exe" if windows else "", "archive-suffix": ".zip" if windows else ".tar.gz"}
        url, path = (re.sub(r"\{ ([\w-]+) \}", lambda word: words[word[1]], here[key]) for key in ("pkg-url", "bin-dir"))
        place, file = url.rsplit("/", 1)
        assert place == DOWNLOADS, url
        assert here.get("pkg-fmt", "tgz") == ("zip" if windows else "tgz"), target
        with zipfile.ZipFile(out / file) if windows else tarfile.open(out / file) as archive:
            assert path in (archive.namelist() if windows else archive.getnames()), f"{file} has no {path}"


def main(out):
    manifests(out)
    told = marks(out)
    binstall(out)
    print(f"ok: {told}")


main(pathlib.Path(sys.argv[1]))
