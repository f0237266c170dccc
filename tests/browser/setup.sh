# Sourced by tests/run.sh: installs Chromium for the tests of the HTML report, where it is missing and Debian's package
# manager is there. Without it those tests are left out, and say so.
# shellcheck shell=bash

if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
    if ! command -v apt-get >/dev/null || ! install_packages chromium fonts-dejavu-core; then
        echo "chromium could not be installed: the HTML report is not tested in a browser" >&2
    fi
fi
