#!/usr/bin/env python3
"""Takes the picture of the demo in docs/: `terminal.py BINARY PICTURE`. Runs `mcp-openai demo` in a terminal of its own that
says it draws pictures as WezTerm does, and has Chromium show what came."""

import fcntl
import html
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

COLUMNS, ROWS = 100, 50
PAGE = """<meta charset="utf-8"><style>
html { background: #20242c; color: #d8dce3; font: 15px/1.4 "DejaVu Sans Mono", monospace; }
body { margin: 0; padding: 22px 26px; width: %dch; white-space: pre-wrap; }
b { color: #fff; } i { color: #8d95a3; font-style: normal; } u { color: #8fd694; text-decoration: none; }
img { display: block; width: 100%%; border-radius: 6px; }
</style>"""
STYLES = {"0": "", "1": "b", "2": "i"}


def record(binary, home):
    """The bytes that the demo writes to a terminal."""
    folder = os.path.dirname(os.path.abspath(binary))
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": home, "TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}
    child, terminal = pty.fork()
    if child == 0:
        # As a shell says it, so that the picture shows what people type.
        os.execvpe("mcp-openai", ["mcp-openai", "demo"], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    written = b""
    try:
        while part := os.read(terminal, 1 << 16):
            written += part
    except OSError:
        # The other end is closed.
        pass
    assert os.waitpid(child, 0)[1] == 0, written
    return written.decode()


def page(written, home):
    """Returns the terminal's screen after it, as a page."""
    shown = PAGE % COLUMNS + "<u>$</u> mcp-openai demo\n"
    style = ""
    # Begins with ESC: a picture, with its bytes behind the first colon, or a style.
    for part in re.split(r"(\x1b\][^\x07]*\x07(?:\r\n)?|\x1b\[[\d;]*m)", written):
        if part.startswith("\x1b]1337;"):
            data = part.split(":", 1)[1].split("\x07")[0]
            shown += f'<img src="data:image/png;base64,{data}">'
        elif part.startswith("\x1b["):
            shown, style = shown + (f"</{style}>" if style else ""), STYLES[part[2:-1]]
            shown += f"<{style}>" if style else ""
        else:
            lines = part.replace(home, "/home/you").replace("\r\n", "\n").split("\n")
            # A line that is drawn anew, such as progress, is what was drawn last.
            shown += html.escape("\n".join(re.split(r"\r|\x1b\[2K", line)[-1] for line in lines))
    return shown


def main(binary, picture):
    with tempfile.TemporaryDirectory() as home:
        file = pathlib.Path(home, "demo.html")
        file.write_text(page(record(binary, home), home))
        size = measured(file)
        chromium("--window-size=%d,%d" % size, "--force-device-scale-factor=1.25", f"--screenshot={picture}", file)


def measured(file):
    """Width and height of the page, in its own pixels."""
    script = "<script>onload = () => { document.title = [document.body.offsetWidth, document.body.offsetHeight] }</script>"
    probe = file.with_name("probe.html")
    probe.write_text(file.read_text() + script)
    told = chromium("--window-size=1600,800", "--dump-dom", probe)
    return tuple(map(int, re.search(r"<title>(\d+),(\d+)", told).groups()))


def chromium(*arguments):
    command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


main(*sys.argv[1:])
