# Shared by run-demo and run-tests (sourced, bash): packages and the build. Not an entry point.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }
available() { [ -n "$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)')" ]; }

# as_root COMMAND...: directly, or with sudo where that is possible; fails where neither is.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        return 1
    fi
}

# The Boost headers to build with: an installed 1.81 or newer wins, else the newest the archive has of those we know.
boost_versions="1.81 1.83 1.84 1.88"
boost_that_is() { # TEST: installed or available
    local v
    for v in $boost_versions; do
        if "$1" "libboost$v-dev"; then
            echo "libboost$v-dev libboost-filesystem$v-dev"
            return 0
        fi
    done
    return 1
}
boost_packages() {
    boost_that_is installed && return
    boost_that_is available && return
    # A bare system has no package lists yet, or old ones.
    as_root apt-get update -qq >/dev/null 2>&1 || true
    boost_that_is available || echo "libboost1.81-dev libboost-filesystem1.81-dev"
}

base_packages() {
    echo g++ cmake ninja-build nlohmann-json3-dev libspdlog-dev libtomlplusplus-dev libcli11-dev libssl-dev \
        libsqlite3-dev libcurl4-openssl-dev libpng-dev libjpeg-dev libwebp-dev libseccomp-dev \
        libhiredis-dev
    boost_packages
}

# need_packages PACKAGE...: installs what is missing, never removes anything, explains itself when it cannot.
need_packages() {
    local missing=() p
    command -v dpkg-query >/dev/null 2>&1 || {
        say "This is no Debian or Ubuntu system: please install by hand what these packages hold:"
        say "  $*"
        say "and then: cmake --preset release && cmake --build build"
        exit 1
    }
    for p in "$@"; do installed "$p" || missing+=("$p"); done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! as_root true; then
        say "These packages are missing, and there is neither root nor sudo to install them:"
        say "  ${missing[*]}"
        say "Ask somebody who may:  apt-get install --no-remove ${missing[*]}"
        exit 1
    fi
    say "Installing from the system's packages: ${missing[*]}"
    local log
    log=$(mktemp)
    local options=(-y --no-remove --no-install-recommends -qq)
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${missing[@]}")
    if ! as_root "${install[@]}" >"$log" 2>&1; then
        # Perhaps only the lists are missing or old: fetch them and try once more.
        as_root apt-get update -qq >>"$log" 2>&1
        if ! as_root "${install[@]}" >"$log" 2>&1; then
            tail -n 15 "$log" >&2
            if installed libboost1.74-dev || installed libboost-dev; then
                say "libboost1.74-dev is installed and cannot stand beside libboost1.81-dev, which is needed. Choices:"
                say "  apt-get install libboost1.81-dev libboost-filesystem1.81-dev   (this removes libboost1.74-dev), or"
                say "  build on another machine or in a container."
            fi
            fail "apt-get could not install: ${missing[*]} (its last lines are above)"
        fi
    fi
    rm -f "$log"
}

# Compiler jobs: one per core, and 1.5 GB of memory for each (a file with Boost.Beast takes about 1 GB).
build_jobs() {
    local cores memory
    cores=$(nproc 2>/dev/null || echo 1)
    memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo 2>/dev/null || echo 1)
    [ "$memory" -lt 1 ] && memory=1
    [ "$memory" -lt "$cores" ] && cores=$memory
    echo "$cores"
}

# run_quietly TITLE COMMAND...: shows the output only when the command fails.
run_quietly() {
    local title=$1 log
    shift
    log=$(mktemp)
    say "$title ..."
    if ! "$@" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        fail "$title failed (its last lines are above; the whole log is $log)"
    fi
    rm -f "$log"
}
