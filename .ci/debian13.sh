# A bare Debian 13 root, and all tests in it: g++ 14, newer libraries, nothing installed that README does not install
# (sourced by run-tests, bash; needs setup.sh). Not an entry point.
# shellcheck shell=bash

# Mirror, keys and Acquire options are the machine's own: nothing here names a host.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk '$2 == "main" && $1 !~ /security/ {print $1; exit}'
}

# debian13_root FOLDER: makes the root, or says why not and returns 1.
debian13_root() {
    local root=$1 mirror log=$1.log proxy
    [ "$(id -u)" = 0 ] || { say "The Debian 13 root cannot be made: this needs root (mounts, chroot)"; return 1; }
    unshare --mount --pid --fork true 2>/dev/null ||
        { say "The Debian 13 root cannot be made: no new mount and PID namespace may be made here"; return 1; }
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || { say "The Debian 13 root cannot be made: apt knows no Debian mirror (apt-get update?)"; return 1; }
    proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
    say "Making a Debian 13 root ..."
    if ! http_proxy=${proxy:-${http_proxy:-}} debootstrap --variant=minbase trixie "$root" "$mirror" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        say "The Debian 13 root cannot be made: debootstrap failed (its last lines are above)"
        return 1
    fi
    rm -f "$log"
    apt-config dump | grep -E '^Acquire::(http|https|Check)' >"$root/etc/apt/apt.conf.d/50from-the-machine" || true
    cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# in_debian13 ROOT COMMAND...: in namespaces of its own. Whatever it starts and mounts ends with it.
in_debian13() {
    local root=$1
    shift
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        root=$1; shift
        # A root that is no mount is one in which nobody can make a mount namespace of his own, as tests of full disks do.
        mount --bind "$root" "$root" || exit 1
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" || exit 1
        chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"' in_debian13 "$root" "$@"
}

# debian13_tests: builds and runs all tests.
debian13_tests() {
    local root result=0
    root=$(mktemp -d "${TMPDIR:-/var/tmp}/debian13.XXXXXX")
    chmod 755 "$root"  # tests that give up their rights must be able to enter it
    # shellcheck disable=SC2064
    trap "rm -rf --one-file-system '$root'" EXIT
    if debian13_root "$root"; then
        mkdir "$root/src"
        git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -c | tar -x -C "$root/src"
        in_debian13 "$root" bash -c 'cd /src && EMPROPS_TESTS_NONE_SKIPPED=yes ./run-tests' || result=1
    else
        result=1
    fi
    rm -rf --one-file-system "$root"
    trap - EXIT
    return $result
}
