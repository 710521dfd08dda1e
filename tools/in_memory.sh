# Read by a shell that runs tests, as they write and delete tens of thousands of small files:
# temporary files are in memory until that shell ends, where there is room for them. Compiled loops
# are among them, so that programs must be allowed there.
if [ -z "${TMPDIR:-}" ] && ! grep -q '^[^ ]* /dev/shm .*noexec' /proc/mounts 2>/dev/null &&
    [ "$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 4000000 ] 2>/dev/null; then
    TMPDIR=$(mktemp -d /dev/shm/algoreg.XXXXXX)
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
fi
