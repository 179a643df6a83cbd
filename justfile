# What one does here every day. `just` lists it.

_list:
    @just --list --unsorted

# a whole MCP session against the embedded sandbox (or OpenAI, with OPENAI_API_KEY)
demo:
    cargo run --release -- demo

# every test
test *arguments:
    cargo test {{ arguments }}

# format and clippy, as strict as the gate
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# write docs/ anew from the code
docs:
    UPDATE_DOCS=1 cargo test --test it docs

# the viewer in a headless Chromium; with a folder, screenshots too
viewer-test *folder:
    .ci/viewer/run {{ folder }}

# the picture of the demo in docs/, taken anew in a headless Chromium
demo-picture: dist
    .ci/viewer/terminal.py target/dist/mcp-openai docs/demo.png

# the icon of plugin and bundles, drawn anew from packaging/icon.svg
icon:
    chromium --headless --no-sandbox --hide-scrollbars --default-background-color=00000000 --window-size=512,512 \
        --screenshot=.claude-plugin/icon.png packaging/icon.svg

# how light and how fast it is, beside floors built in the same run; `--check` fails when a goal is missed
bench *arguments:
    cargo run --profile dist --quiet --package peers --bin bench -- {{ arguments }}

# the same as a service for many, with a PostgreSQL of its own; `--minutes N` shortens the constant load, `--json FILE` keeps all rounds
bench-team *arguments:
    cargo run --profile dist --quiet --package peers --bin bench -- team {{ arguments }}

# the binary as it is shipped: target/dist/mcp-openai
dist:
    cargo build --locked --profile dist

# how light it is beside servers that people use today; wants Node, and Python 3.12
today: dist
    benches/today/run target/dist/mcp-openai

# write the order of functions anew that the shipped binary is laid out in, after a change of dependencies; wants valgrind
order:
    packaging/order/write

# how much previews keep of a picture, beside other encoders
previews *folder:
    cargo run --release --quiet --package previews -- {{ folder }}

# what a call takes in a store of a thousand, and of a million turns and ledger lines; fills 1 GB of a folder
store *folder:
    cargo bench --quiet --bench store -- {{ folder }}

# the whole gate
ci:
    .ci/run

# everything that is published, from what is built: `just packages binaries out`
packages binaries out:
    packaging/release.py pack --binaries {{ binaries }} --out {{ out }}

# releases a version: sets it, tests, commits, tags, and pushes what the release workflow starts from
release version:
    git diff --quiet HEAD
    packaging/release.py version {{ version }}
    UPDATE_DOCS=1 cargo test
    git diff --quiet HEAD || git commit --all --message "Release {{ version }}"
    git tag --annotate v{{ version }} --message "mcp-openai {{ version }}"
    git push --atomic origin HEAD v{{ version }}
