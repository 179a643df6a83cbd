class McpOpenai < Formula
  desc "OpenAI's models and pictures for any MCP client"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license "MIT"

  on_macos do
    url "@DOWNLOADS@/mcp-openai-universal-apple-darwin.tar.gz"
    sha256 "@MCP_OPENAI_UNIVERSAL_APPLE_DARWIN_TAR_GZ@"
  end
  on_linux do
    on_intel do
      url "@DOWNLOADS@/mcp-openai-x86_64-unknown-linux-musl.tar.gz"
      sha256 "@MCP_OPENAI_X86_64_UNKNOWN_LINUX_MUSL_TAR_GZ@"
    end
    on_arm do
      url "@DOWNLOADS@/mcp-openai-aarch64-unknown-linux-musl.tar.gz"
      sha256 "@MCP_OPENAI_AARCH64_UNKNOWN_LINUX_MUSL_TAR_GZ@"
    end
  end

  def install
    bin.install "mcp-openai"
    generate_completions_from_executable(bin/"mcp-openai", "completions", shells: [:bash, :zsh, :fish])
    (man1/"mcp-openai.1").write Utils.safe_popen_read(bin/"mcp-openai", "man")
  end

  test do
    assert_match "sandbox", shell_output("#{bin}/mcp-openai ask hello --sandbox 2>&1")
  end
end
