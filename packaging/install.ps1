# Installs mcp-openai: irm https://github.com/mcp-openai/mcp-openai/releases/latest/download/install.ps1 | iex
# $env:MCP_OPENAI_INSTALL_DIR is another folder, $env:MCP_OPENAI_DOWNLOADS another place of the release's files.

# In a scope of its own: `iex` would leave these variables in the shell it was typed in.
& {
    $ErrorActionPreference = 'Stop'
    # Windows PowerShell draws its progress bar for each block, which takes longer than the download.
    $ProgressPreference = 'SilentlyContinue'

    $version = '@VERSION@'
    $downloads = if ($env:MCP_OPENAI_DOWNLOADS) { $env:MCP_OPENAI_DOWNLOADS } else { "https://github.com/mcp-openai/mcp-openai/releases/download/v$version" }
    $folder = if ($env:MCP_OPENAI_INSTALL_DIR) { $env:MCP_OPENAI_INSTALL_DIR } else { Join-Path $env:LOCALAPPDATA 'Programs\mcp-openai' }
    $architecture = if ($env:PROCESSOR_ARCHITECTURE -eq 'ARM64') { 'aarch64' } else { 'x86_64' }
    $name = "mcp-openai-$architecture-pc-windows-msvc"

    $scratch = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
    New-Item -ItemType Directory $scratch | Out-Null
    try {
        Invoke-WebRequest "$downloads/$name.zip" -OutFile "$scratch\archive.zip" -UseBasicParsing
        Invoke-WebRequest "$downloads/SHA256SUMS" -OutFile "$scratch\sums" -UseBasicParsing
        $line = Get-Content "$scratch\sums" | Where-Object { $_ -like "*  $name.zip" }
        $actual = (Get-FileHash "$scratch\archive.zip" -Algorithm SHA256).Hash
        if (-not $line -or ($line -split ' ')[0] -ne $actual) { throw "the checksum of $name.zip is wrong; nothing is installed" }

        Expand-Archive "$scratch\archive.zip" $scratch
        New-Item -ItemType Directory -Force $folder | Out-Null
        # A program that runs cannot be written over, but moved aside: a client's copy goes on running.
        $program = Join-Path $folder 'mcp-openai.exe'
        Remove-Item "$program.*.old" -ErrorAction SilentlyContinue
        if (Test-Path $program) { Move-Item $program "$program.$([Guid]::NewGuid()).old" }
        Copy-Item "$scratch\$name\mcp-openai.exe" $program
    } finally {
        Remove-Item -Recurse -Force $scratch
    }

    # As it is written: .NET would fill in the variables of the other folders for good.
    $environment = Get-Item 'HKCU:\Environment'
    $path = $environment.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
    if (($path -split ';') -notcontains $folder) {
        $folders = @($path -split ';' | Where-Object { $_ }) + $folder
        Set-ItemProperty 'HKCU:\Environment' -Name Path -Value ($folders -join ';') -Type ExpandString
        # Programs hear of a variable that .NET sets, and read all of them again.
        [Environment]::SetEnvironmentVariable('MCP_OPENAI_INSTALLED', '1', 'User')
        [Environment]::SetEnvironmentVariable('MCP_OPENAI_INSTALLED', $null, 'User')
        $env:Path += ";$folder"
    }
    "mcp-openai $version is in $folder. Next: mcp-openai key set, then mcp-openai install"
}
