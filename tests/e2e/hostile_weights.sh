#!/usr/bin/env bash
# Hostile PyTorch files: programs that would run in Python, damaged pickles, tensors that
# cannot be, archives that lie. Each is refused with exit status 3 and the reason, by info
# and by convert; nothing is run, nothing is written, and memory and time stay small.
#
#   tests/e2e/hostile_weights.sh [ZMAE]
set -uo pipefail
zmae=$(realpath "${1:-build/zmae}") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export ZMAE_DEVICE=cpu
export ASAN_OPTIONS=exitcode=99:${ASAN_OPTIONS:-} UBSAN_OPTIONS=exitcode=99:${UBSAN_OPTIONS:-}
memory_kib=400000
seconds=60
! grep -q __asan_init "$zmae" || { memory_kib=unlimited seconds=300; } # shadow memory
canary=$dir/canary/armed

passed=0 failed=0
bad() {
    printf 'FAIL  %s: %s\n' "$1" "$2"
    sed 's/^/      | /' "$dir/stderr" 2>/dev/null | cut -c1-300 | head -4
    failed=$((failed + 1))
}
die() {
    printf 'hostile_weights: %s\n' "$1" >&2
    exit 1
}

# try ARGUMENT...: one run of zmae, with little memory.
try() {
    (ulimit -v "$memory_kib" && exec timeout 20 "$zmae" "$@") \
        >"$dir/stdout" 2>"$dir/stderr" </dev/null
    status=$?
}

# expect NAME STATUS REGEX: what is wrong with the last run, or that it is right.
expect() {
    if [[ -e $canary ]]; then
        rm -f "$canary"
        bad "$1" "THE FILE WAS RUN"
    elif ((status != $2)); then
        bad "$1" "exit status $status, expected $2"
    elif (($2 != 0)) && [[ -s $dir/stdout || -n $(ls -A "$dir/out") ]]; then
        bad "$1" "something was written"
    elif (($2 != 0)) && ! grep '^zmae: error: ' "$dir/stderr" | grep -Eq -- "$3"; then
        bad "$1" "expected a message with /$3/"
    else
        passed=$((passed + 1))
    fi
}

"$zmae" simulate --count 4 --size 32 --seed 1 --out "$dir/sky.safetensors" --quiet ||
    die "simulate failed"
"$zmae" pretrain --data "$dir/sky.safetensors" --out "$dir/run" --steps 1 --batch 4 --image 16 \
    --patch 4 --width 16 --depth 1 --heads 2 --decoder-width 16 --decoder-depth 1 --decoder-heads 2 --quiet ||
    die "pretrain failed"
"$python" "$here/make_hostile_weights.py" files "$dir/run/model.safetensors" "$dir" >"$dir/cases" ||
    die "no files"
(($(grep -c . "$dir/cases") >= 40)) || die "too few files"

# A file that does nothing in Python would prove nothing here.
while IFS=$'\t' read -r kind name _; do
    [[ $kind == run ]] || continue
    "$python" "$here/make_hostile_weights.py" prove "$dir/$name.pt" 2>"$dir/stderr" </dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do # some of them do not wait for what they start
        [[ ! -e $canary ]] || break
        sleep 0.1
    done
    [[ -e $canary ]] || bad "$name" "it does nothing in Python either"
    rm -f "$canary"
done <"$dir/cases"

mkdir "$dir/out"
start=$SECONDS
while IFS=$'\t' read -r kind name want regex; do
    try convert "$dir/$name.pt" "$dir/out/model.safetensors" --quiet
    expect "convert $name" "$want" "$regex"
    [[ $kind != good ]] || { rm -f "$dir"/out/*; continue; }
    case $name in # what only shows when numbers are read is told as a problem of the model
        zip-crc-numbers | tensor-nan | tensor-inf | tensor-int32 | tensor-bool) continue ;;
        tensor-other-shape | tensor-unexpected) continue ;;
    esac
    try info "$dir/$name.pt"
    expect "info $name" "$want" "$regex"
    rm -f "$dir"/out/*
done <"$dir/cases"
sleep 0.2
[[ ! -e $canary ]] || bad "afterwards" "THE FILE WAS RUN"
elapsed=$((SECONDS - start))
((elapsed <= seconds)) || bad "time" "$elapsed s"
printf '%d files, %d runs passed, %d failed, %d s\n' "$(grep -c . "$dir/cases")" "$passed" \
    "$failed" "$elapsed"
((failed == 0))
