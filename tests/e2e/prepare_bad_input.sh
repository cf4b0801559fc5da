#!/usr/bin/env bash
# What zmae prepare makes of good, damaged and missing frames and catalogues: the exit status,
# a message that names the file or the row, the flags in the output, and no output where there
# is nothing to write. Frames are made by make_frames.py, no other data are needed.
#
#   tests/e2e/prepare_bad_input.sh [ZMAE]
set -uo pipefail
zmae=$(realpath "${1:-build/zmae}") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export ASAN_OPTIONS=exitcode=99:${ASAN_OPTIONS:-} UBSAN_OPTIONS=exitcode=99:${UBSAN_OPTIONS:-}

if ! "$python" -c 'import numpy, astropy' 2>/dev/null; then
    echo "python3 lacks numpy or astropy"
    exit 77
fi
mkdir "$dir/out"
passed=0 failed=0
ok() {
    printf 'ok    %s\n' "$1"
    passed=$((passed + 1))
}
bad() {
    printf 'FAIL  %s: %s\n' "$1" "$2"
    sed 's/^/      | /' "$dir/stderr" | cut -c1-300 | head -8
    failed=$((failed + 1))
}

# prepare OUT OPTION...: status, stdout and stderr of one run
prepare() {
    local out=$1
    shift
    timeout 60 "$zmae" prepare --out "$out" "$@" >"$dir/stdout" 2>"$dir/stderr" </dev/null
    status=$?
}

# What is wrong with a run beside its status and output; empty = nothing.
complaint() {
    local want=$1 regex=$2 lines
    ((status == want)) || { echo "status $status, expected $want"; return; }
    [[ ! -s $dir/stdout ]] || { echo "stdout is not clean"; return; }
    lines=$(grep -c '^zmae: error: ' "$dir/stderr")
    ((lines == (want != 0))) || { echo "$lines error lines"; return; }
    ((want == 0)) || grep -E '^zmae: (error|warning): ' "$dir/stderr" | grep -Eq -- "$regex" ||
        { echo "no \"$regex\" in a message"; return; }
    ((want != 0)) || ! grep -q '^zmae: warning: ' "$dir/stderr" || { echo "it warns"; return; }
    lines=$(grep -c '^zmae: warning: ' "$dir/stderr")
    ((lines <= 24)) || echo "$lines warnings"
}

# expect NAME STATUS FLAGS REGEX OUT OPTION...
expect() {
    local name=$1 want=$2 flags=$3 regex=$4 out=$5 why
    shift 4
    prepare "$@"
    why=$(complaint "$want" "$regex")
    if [[ $why ]]; then
        :
    elif [[ $flags == none ]]; then
        [[ ! -e $out ]] || why="there is an output"
    else
        why=$("$python" "$here/make_frames.py" check "$out" "$flags" 2>&1)
    fi
    rm -f "$out"
    [[ $why || -z $(ls "$dir/out") ]] || why="left behind: $(ls "$dir/out")"
    if [[ $why ]]; then bad "$name" "$why"; else ok "$name"; fi
}

"$python" "$here/make_frames.py" cases "$dir" >"$dir/cases" || exit 1
number=0
while IFS=$'\t' read -r name frames catalog want flags regex; do
    number=$((number + 1))
    ((number % 2)) && ending=safetensors || ending=fits
    expect "$name" "$want" "$flags" "$regex" "$dir/out/kept.$ending" --frames "$frames" \
        --catalog "$catalog" --threads $((1 + number % 3))
done <"$dir/cases"
((number > 25)) || bad "cases" "only $number"

good=(--frames "$dir/good" --catalog "$dir/stars.csv")
expect "no folder for the output" 4 none "nowhere" "$dir/nowhere/kept.fits" "${good[@]}"
expect "magnitudes that are not there" 3 none "petro magnitudes" "$dir/out/kept.fits" \
    "${good[@]}" --mags petro
expect "a size that cannot be" 2 none "size" "$dir/out/kept.fits" "${good[@]}" --size 5

# The pixels: places, fluxes, orientation; the same bytes for any number of threads.
for size in 64 49; do
    for ending in fits safetensors; do
        prepare "$dir/one.$ending" "${good[@]}" --size $size --threads 1
        prepare "$dir/three.$ending" "${good[@]}" --size $size --threads 3
        name="stars in the middle of $size pixels, $ending"
        if ! why=$("$python" "$here/make_frames.py" stars "$dir/one.$ending" 2>&1); then
            bad "$name" "$why"
        elif ! cmp -s "$dir/one.$ending" "$dir/three.$ending"; then
            bad "$name" "depends on the threads"
        else
            ok "$name"
        fi
    done
done

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
