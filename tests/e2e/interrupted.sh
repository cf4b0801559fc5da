#!/usr/bin/env bash
# A verb without checkpoints that is stopped by a signal leaves nothing half written, keeps
# an earlier output and dies of that signal; a signal that is ignored stays ignored.
#
#   tests/e2e/interrupted.sh [ZMAE]
set -euo pipefail
zmae=$(realpath "${1:-build/zmae}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
    printf 'interrupted: %s\n' "$*" >&2
    exit 1
}

# Bash starts background jobs with SIGINT ignored; env undoes that, or ignores another.
start() {
    env "$@" "$zmae" simulate --count 1000000 --size 32 --out "$out" --quiet &
    pid=$!
}

# Waits until the temporary file is there and has contents.
await_temp() {
    local i
    for i in $(seq 200); do
        if [[ -s $(compgen -G "$out.tmp-*" | head -n 1) ]]; then return; fi
        kill -0 "$pid" 2>/dev/null || fail "$out: ended before it was stopped"
        sleep 0.05
    done
    fail "$out: nothing is written"
}

# interrupt SIGNAL STATUS FILE
interrupt() {
    local status=0
    out=$3
    printf 'earlier\n' >"$out"
    start --default-signal=INT,TERM,HUP
    await_temp
    kill -s "$1" "$pid"
    wait "$pid" || status=$?
    ((status == $2)) || fail "$out: SIG$1: exit status $status, expected $2"
    [[ $(ls) == "$out" ]] || fail "$out: SIG$1: left behind: $(ls | tr '\n' ' ')"
    [[ $(cat "$out") == earlier ]] || fail "$out: SIG$1: the earlier file was touched"
    rm "$out"
    printf '%s: SIG%s: %d, nothing left\n' "$out" "$1" "$2"
}

interrupt INT 130 sky.safetensors
interrupt TERM 143 sky.safetensors
interrupt HUP 129 sky.safetensors
interrupt INT 130 sky.fits
interrupt TERM 143 sky.fits

out=sky.fits
start --ignore-signal=HUP --default-signal=TERM
await_temp
kill -s HUP "$pid"
sleep 0.3
kill -0 "$pid" 2>/dev/null || fail "SIGHUP was ignored, as by nohup, and ended the run"
kill -s TERM "$pid"
status=0
wait "$pid" || status=$?
((status == 143)) || fail "SIGTERM after an ignored SIGHUP: $status, expected 143"
[[ -z $(ls) ]] || fail "left behind: $(ls | tr '\n' ' ')"
printf 'an ignored SIGHUP stays ignored\n'
