# Sourced by tests/run.sh: makes the Python virtual environment with moto's server that tests/aws/ starts, once.
# FLOWGATE_TEST_VENV names another place for it. An environment made from other requirements is made anew.
# shellcheck shell=bash

FLOWGATE_TEST_VENV="${FLOWGATE_TEST_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/flowgate/venv}"
export FLOWGATE_TEST_VENV

if ! cmp --silent tests/aws/requirements.txt "$FLOWGATE_TEST_VENV/requirements.txt"; then
    # Whatever lies there is removed below.
    if [ -e "$FLOWGATE_TEST_VENV" ] && [ ! -e "$FLOWGATE_TEST_VENV/requirements.txt" ]; then
        echo "FLOWGATE_TEST_VENV: $FLOWGATE_TEST_VENV was not made by this script; name another place" >&2
        exit 1
    fi
    echo "making a Python environment with moto's server in $FLOWGATE_TEST_VENV" >&2
    # Debian's python3 can come without either.
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        install_packages python3 python3-venv python3-pip
    fi
    # Beside its place first: another run may be doing the same, and half an environment must never be used.
    mkdir -p "$(dirname "$FLOWGATE_TEST_VENV")"
    fresh=$(mktemp -d "$FLOWGATE_TEST_VENV.XXXXXX")
    if ! python3 -m venv "$fresh" || ! "$fresh/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement tests/aws/requirements.txt; then
        rm -rf "$fresh"
        echo "moto's server could not be installed; pip says why above" >&2
        exit 1
    fi
    cp tests/aws/requirements.txt "$fresh/requirements.txt"
    rm -rf "$FLOWGATE_TEST_VENV"
    # Whoever comes second finds one there, and it is as good. Only `bin/python -m …` outlives being moved.
    mv --no-target-directory "$fresh" "$FLOWGATE_TEST_VENV" 2>/dev/null || rm -rf "$fresh"
    unset fresh
fi
