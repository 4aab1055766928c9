# What the scripts in this folder share. Sourced by bash, from the project's top folder.

# Headline of a step.
say() { printf '\n== %s\n' "$*"; }

# Run a command; if it fails, once more (package indexes have bad minutes).
twice() { "$@" || { echo "failed, once more: $*" >&2; sleep 2; "$@"; }; }

# Install Debian packages that are missing. Does nothing where it cannot: the step that needs them says what is missing.
need_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    local package missing=()
    for package; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
    [ ${#missing[@]} = 0 ] && return 0
    export DEBIAN_FRONTEND=noninteractive
    twice apt-get update -qq
    twice apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Print the interpreter to use: $PYTHON, or the first one found that is new enough.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python python3.14 python3.13 python3.12; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
        [ "$candidate" != "${PYTHON:-}" ] || { echo "PYTHON=$PYTHON is no Python 3.11 or later" >&2; return 1; }
    done
    echo "no Python 3.11 or later found; install one or say PYTHON=/path/to/python" >&2
    return 1
}

# Print the folder of the virtual environment for INTERPRETER: one for each tree, interpreter and pyproject.toml.
environment_folder() {
    local cache="${XDG_CACHE_HOME:-${HOME:-}/.cache}" key
    mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || cache="${TMPDIR:-/tmp}"
    key=$({ pwd; "$1" -VV; echo "$1"; cat pyproject.toml; } | git hash-object --stdin)
    echo "$cache/asyncflask-ci/${key:0:16}"
}

# Make a virtual environment with INTERPRETER in FOLDER, if there is no working one.
make_environment() {
    "$2/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    # Debian ships venv apart from Python.
    "$1" -c 'import ensurepip' 2>/dev/null || need_packages python3-venv
    rm -rf "$2"
    "$1" -m venv "$2"
}

# Print README's command NUMBER: the code block that follows the line "<!-- command NUMBER -->".
readme_command() {
    local text
    text=$(awk -v mark="<!-- command $1 -->" '
        $0 == mark { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside { print }' README.md)
    [ -n "$text" ] || { echo "README.md has no command $1" >&2; return 1; }
    printf '%s\n' "$text"
}
