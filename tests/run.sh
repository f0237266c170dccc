#!/usr/bin/env bash
# Runs every test there is: unit, integration and documentation tests; examples are built.
# First makes the Python environment that the tests against AWS's APIs need (tests/aws/setup.sh),
# and Chromium for those of the HTML report (tests/browser/setup.sh).
# Works from any directory. Arguments go to `cargo test`: tests/run.sh --test engine source::
set -euo pipefail
# shellcheck source=tests/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=tests/aws/setup.sh
source tests/aws/setup.sh
# shellcheck source=tests/browser/setup.sh
source tests/browser/setup.sh

# Release only, like everything else here: one build of the dependencies serves tests, benches and the program.
# All features: aws-sdk-ec2 takes minutes to build, once, and what needs it is tested, too.
options=(--release --locked --all-features)
if [ $# -gt 0 ]; then
    exec cargo test "${options[@]}" "$@"
fi
# Unit tests are another build of everything here, and quick: optimising that takes longer than it saves.
CARGO_PROFILE_RELEASE_OPT_LEVEL=0 cargo test "${options[@]}" --lib
cargo test "${options[@]}" --bins --examples --test '*'
exec cargo test "${options[@]}" --doc
