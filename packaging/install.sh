#!/bin/sh
# Installs mcp-openai into ~/.local/bin: curl -fsSL https://github.com/mcp-openai/mcp-openai/releases/latest/download/install.sh | sh
# MCP_OPENAI_INSTALL_DIR is another folder, MCP_OPENAI_DOWNLOADS another place of the release's files.
set -eu

main() {
    version=@VERSION@
    downloads=${MCP_OPENAI_DOWNLOADS:-https://github.com/mcp-openai/mcp-openai/releases/download/v$version}
    folder=${MCP_OPENAI_INSTALL_DIR:-$HOME/.local/bin}
    case "$(uname -s) $(uname -m)" in
        'Linux x86_64' | 'Linux amd64') target=x86_64-unknown-linux-musl ;;
        'Linux aarch64' | 'Linux arm64') target=aarch64-unknown-linux-musl ;;
        Darwin*) target=universal-apple-darwin ;;
        *) fail "there is no binary for $(uname -s) $(uname -m); cargo install mcp-openai builds one" ;;
    esac
    name=mcp-openai-$target
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    fetch "$downloads/$name.tar.gz" "$scratch/archive"
    fetch "$downloads/SHA256SUMS" "$scratch/sums"

    expected=$(awk -v name="$name.tar.gz" '$2 == name { print $1 }' "$scratch/sums")
    if command -v sha256sum >/dev/null; then
        actual=$(sha256sum "$scratch/archive")
    else
        actual=$(shasum -a 256 "$scratch/archive")
    fi
    [ -n "$expected" ] && [ "${actual%% *}" = "$expected" ] || fail "the checksum of $name.tar.gz is wrong; nothing is installed"

    tar -xzf "$scratch/archive" -C "$scratch"
    mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] ||
        fail "$folder cannot be written to; MCP_OPENAI_INSTALL_DIR names another folder"
    # A new file under the old name: a copy that runs goes on running.
    cp "$scratch/$name/mcp-openai" "$folder/.mcp-openai.new"
    mv "$folder/.mcp-openai.new" "$folder/mcp-openai"
    echo "mcp-openai $version is in $folder."
    case ":$PATH:" in
        *":$folder:"*) echo 'Next: mcp-openai key set, then mcp-openai install' ;;
        *) echo "It is not on your PATH. Next: $folder/mcp-openai key set, then $folder/mcp-openai install" ;;
    esac
}

fetch() {
    if command -v curl >/dev/null; then
        curl -fsSL "$1" -o "$2"
    elif command -v wget >/dev/null; then
        wget -qO "$2" "$1"
    else
        fail 'neither curl nor wget is there'
    fi || fail "$1 cannot be downloaded"
}

fail() {
    echo "mcp-openai: $1" >&2
    exit 1
}

# At the end, so that a download that breaks off runs nothing.
main
