#!/usr/bin/env python3
"""Everything that is published, made of one binary for each system.

  release.py version 1.2.3                     sets the version: Cargo.toml is its place, the rest follows
  release.py pack --binaries DIR --out DIR     packs what DIR holds, as TARGET/mcp-openai[.exe]

Needs Python 3.9 and nothing else (dpkg-deb for the .deb, where it is there). The same binaries make the same bytes.
"""

import argparse
import base64
import datetime
import gzip
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
NAME = "mcp-openai"
BESIDE = ["LICENSE", "README.md", "CHANGELOG.md"]
# Archives must not differ from one day to the next: 2025-01-01.
MTIME = 1735689600
ZIP_DATE = (2025, 1, 1, 0, 0, 0)

# Target: npm's os and cpu, the wheel's platform, Debian's architecture, the mcpb's platform.
TARGETS = {
    "x86_64-unknown-linux-musl": ("linux", "x64", "manylinux_2_17_x86_64.musllinux_1_1_x86_64", "amd64", "linux"),
    "aarch64-unknown-linux-musl": ("linux", "arm64", "manylinux_2_17_aarch64.musllinux_1_1_aarch64", "arm64", "linux"),
    "universal-apple-darwin": ("darwin", None, "macosx_11_0_universal2", None, "darwin"),
    "x86_64-pc-windows-msvc": ("win32", "x64", "win_amd64", None, "win32"),
    "aarch64-pc-windows-msvc": ("win32", "arm64", "win_arm64", None, "win32"),
}


def cargo(field):
    """A field of the [package] in Cargo.toml, the one place of version and description."""
    package = (ROOT / "Cargo.toml").read_text().split("[package]", 1)[1].split("\n[", 1)[0]
    return re.search(rf'^{field} = "(.*)"$', package, re.M).group(1)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def executable(target):
    return NAME + (".exe" if "windows" in target else "")


def short(target):
    """The end of names that people read: linux-x64, darwin, win32-arm64."""
    system, cpu, *_ = TARGETS[target]
    return f"{system}-{cpu}" if cpu else system


def write_tar(path, files):
    """`files` are (name, bytes, mode)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content, mode in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, MTIME
            tar.addfile(entry, io.BytesIO(content))
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, MTIME) as packed:
        packed.write(raw.getvalue())


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in files:
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            # A regular file, on Unix: without that, pip does not make the program executable.
            entry.external_attr, entry.compress_type, entry.create_system = (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED, 3
            archive.writestr(entry, content)


def beside():
    return [(name, (ROOT / name).read_bytes(), 0o644) for name in BESIDE]


def archive(target, binary, out):
    folder = f"{NAME}-{target}"
    files = [(executable(target), binary, 0o755), *beside()]
    files = [(f"{folder}/{name}", content, mode) for name, content, mode in files]
    if "windows" in target:
        write_zip(out / f"{folder}.zip", files)
    else:
        write_tar(out / f"{folder}.tar.gz", files)


def npm_platform(target, binary, out, version):
    """`mcp-openai@VERSION-linux-x64`: one name in the registry, and nothing that runs at installation."""
    system, cpu, *_ = TARGETS[target]
    package = npm_package(f"{version}-{short(target)}", f"The binary of {NAME} for {short(target)}")
    package |= {"os": [system], "files": [executable(target)]}
    if cpu:
        package["cpu"] = [cpu]
    npm_pack(out / f"{NAME}-npm-{short(target)}.tgz", package, [(executable(target), binary, 0o755)])


def npm_main(targets, out, version):
    package = npm_package(version, cargo("description"))
    package |= {
        "bin": {NAME: "mcp-openai.js"},
        "files": ["mcp-openai.js"],
        "engines": {"node": ">=18"},
        "mcpName": mcp_name(),
        "optionalDependencies": {
            f"{NAME}-{short(target)}": f"npm:{NAME}@{version}-{short(target)}" for target in targets
        },
    }
    npm_pack(out / f"{NAME}-npm.tgz", package, [("mcp-openai.js", (HERE / "npm/mcp-openai.js").read_bytes(), 0o755)])


def npm_package(version, description):
    repository = cargo("repository")
    return {
        "name": NAME,
        "version": version,
        "description": description,
        "license": "MIT",
        "homepage": repository,
        "repository": {"type": "git", "url": f"git+{repository}.git"},
    }


def npm_pack(path, package, files):
    files = [("package.json", (json.dumps(package, indent=2) + "\n").encode(), 0o644), *files, *beside()]
    write_tar(path, [(f"package/{name}", content, mode) for name, content, mode in files])


def wheel(target, binary, out, version):
    """The binary as a script of the wheel: `uvx mcp-openai` and `pip install` put it on the PATH, and no Python runs."""
    platform, package = TARGETS[target][2], NAME.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    tags = "".join(f"Tag: py3-none-{tag}\n" for tag in platform.split("."))
    readme = (ROOT / "README.md").read_text()
    metadata = (
        f"Metadata-Version: 2.4\nName: {NAME}\nVersion: {version}\nSummary: {cargo('description')}\n"
        f"License-Expression: MIT\nLicense-File: LICENSE\nProject-URL: Source, {cargo('repository')}\n"
        f"Requires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n{readme}"
    )
    files = [
        (f"{package}-{version}.data/scripts/{executable(target)}", binary, 0o755),
        (f"{info}/METADATA", metadata.encode(), 0o644),
        (f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: false\n{tags}".encode(), 0o644),
        (f"{info}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes(), 0o644),
    ]
    record = "".join(f"{name},sha256={record_hash(content)},{len(content)}\n" for name, content, _ in files)
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode(), 0o644))
    write_zip(out / f"{package}-{version}-py3-none-{platform}.whl", files)


def record_hash(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def mcpb(target, binary, out, version):
    manifest = json.loads(render("mcpb.json", version))
    manifest["compatibility"]["platforms"] = [TARGETS[target][4]]
    program = executable(target)
    manifest["server"]["entry_point"] = f"server/{program}"
    manifest["server"]["mcp_config"]["command"] = f"${{__dirname}}/server/{program}"
    files = [
        ("manifest.json", json.dumps(manifest, indent=2).encode(), 0o644),
        ("icon.png", (ROOT / ".claude-plugin/icon.png").read_bytes(), 0o644),
        (f"server/{program}", binary, 0o755),
    ]
    write_zip(out / f"{NAME}-{short(target)}.mcpb", [*files, *beside()])


def deb(target, binary, out, version):
    architecture = TARGETS[target][3]
    if not architecture or not shutil.which("dpkg-deb"):
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        tree.chmod(0o755)
        for name, content, mode in [
            ("DEBIAN/control", render("control", version, ARCHITECTURE=architecture).encode(), 0o644),
            (f"usr/bin/{NAME}", binary, 0o755),
            (f"usr/share/doc/{NAME}/copyright", (ROOT / "LICENSE").read_bytes(), 0o644),
        ]:
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        package = out / f"{NAME}_{version}_{architecture}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", folder, package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"SOURCE_DATE_EPOCH": str(MTIME), "PATH": "/usr/bin:/bin"})


def mcp_name():
    owner, name = cargo("repository").split("/")[-2:]
    return f"io.github.{owner}/{name}"


def render(template, version, **more):
    """A template with its @WORDS@ filled in; a word that is not known stays, and fails the caller's check."""
    words = {
        "VERSION": version,
        "DESCRIPTION": cargo("description"),
        "REPOSITORY": cargo("repository"),
        "DOWNLOADS": f"{cargo('repository')}/releases/download/v{version}",
        "MCP_NAME": mcp_name(),
        "OWNER": cargo("repository").split("/")[-2],
        **more,
    }
    text = (HERE / "templates" / template).read_text()
    return re.sub(r"@([A-Z0-9_]+)@", lambda found: words.get(found[1], found[0]), text)


def listings(out, version):
    """Manifests that name the files by their checksums. Those of a system whose files are not here are left away."""
    sums = {path.name: sha256(path) for path in sorted(out.iterdir()) if path.is_file()}
    words = {re.sub(r"[^A-Z0-9]", "_", name.replace(version, "VERSION").upper()): digest for name, digest in sums.items()}
    for template in sorted((HERE / "templates").rglob("*")):
        name = template.relative_to(HERE / "templates")
        if template.is_dir() or name.name in ("mcpb.json", "control"):
            continue
        text = render(name, version, **words)
        if lost := sorted(set(re.findall(r"@[A-Z0-9_]+@", text))):
            print(f"left away: {name} needs {', '.join(lost)}")
            continue
        path = out / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for name in ["install.sh", "install.ps1"]:
        (out / name).write_text((HERE / name).read_text().replace("@VERSION@", version))
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def pack(binaries, out):
    version = cargo("version")
    out.mkdir(parents=True, exist_ok=True)
    targets = [target for target in TARGETS if (binaries / target / executable(target)).exists()]
    if not targets:
        sys.exit(f"{binaries} holds no binary of a known target: {', '.join(TARGETS)}")
    for target in targets:
        binary = (binaries / target / executable(target)).read_bytes()
        archive(target, binary, out)
        npm_platform(target, binary, out, version)
        wheel(target, binary, out, version)
        mcpb(target, binary, out, version)
        deb(target, binary, out, version)
    npm_main(TARGETS, out, version)
    listings(out, version)


def set_version(version):
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", version):
        sys.exit(f"`{version}` is not a version such as 1.2.3")
    old = cargo("version")
    for name, places in {
        "Cargo.toml": [f'name = "{NAME}"\nversion = "@"', 'openai-sandbox = { version = "@"'],
        "crates/openai-sandbox/Cargo.toml": ['name = "openai-sandbox"\nversion = "@"'],
        ".claude-plugin/plugin.json": ['"version": "@"', f'"{NAME}@@"'],
        "deploy/compose.yaml": [f"/{NAME}:@\n"],
        "deploy/kubernetes/deployment.yaml": [f"/{NAME}:@\n"],
    }.items():
        path = ROOT / name
        text = path.read_text()
        for place in places:
            before, after = (place.replace("@@", "@" + v) if "@@" in place else place.replace("@", v) for v in (old, version))
            if text.count(before) != 1:
                sys.exit(f"{name} does not say {before!r} once")
            text = text.replace(before, after)
        path.write_text(text)
    changelog = ROOT / "CHANGELOG.md"
    text, heading = changelog.read_text(), f"## [{version}] - {datetime.date.today()}"
    if f"## [{version}]" not in text:
        text = re.sub(r"^## \[Unreleased\].*$", f"## [Unreleased]\n\n{heading}", text, count=1, flags=re.M)
        changelog.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version").add_argument("version")
    packing = commands.add_parser("pack")
    packing.add_argument("--binaries", type=pathlib.Path, required=True)
    packing.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "version":
        set_version(arguments.version)
    else:
        pack(arguments.binaries, arguments.out)


if __name__ == "__main__":
    main()
