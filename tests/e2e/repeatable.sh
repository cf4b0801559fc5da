#!/usr/bin/env bash
# Predictions do not depend on batch size or threads, nor a data set on threads or format:
# the same bytes, or the same numbers.
#
#   tests/e2e/repeatable.sh [ZMAE]
set -euo pipefail
zmae=${1:-build/zmae}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    printf 'repeatable: %s\n' "$*" >&2
    exit 1
}

simulate() { "$zmae" simulate --count 150 --size 40 --seed 3 --quiet "$@"; }
simulate --threads 1 --out "$dir/sky.safetensors"
simulate --threads 2 --out "$dir/again.safetensors"
cmp "$dir/sky.safetensors" "$dir/again.safetensors" || fail "simulate depends on threads"
simulate --out "$dir/sky.fits"

"$zmae" pretrain --data "$dir/sky.safetensors" --out "$dir/mae" --steps 2 --batch 16 --quiet
"$zmae" finetune --data "$dir/sky.safetensors" --init "$dir/mae/model.safetensors" \
    --out "$dir/fine" --steps 3 --batch 16 --quiet
predict() {
    "$zmae" predict --model "$dir/fine/model.safetensors" --quiet "$@"
}
predict --data "$dir/sky.safetensors" --out "$dir/whole.csv"
(($(wc -l <"$dir/whole.csv") == 151)) || fail "not a line for each of 150 cutouts"
for options in "--batch 1" "--batch 7" "--batch 64" "--batch 150" "--threads 1" "--threads 3"; do
    read -ra words <<<"$options"
    predict --data "$dir/sky.safetensors" --out "$dir/other.csv" "${words[@]}"
    cmp "$dir/whole.csv" "$dir/other.csv" || fail "predictions change with $options"
done
predict --data "$dir/sky.fits" --out "$dir/fits.csv"
cmp "$dir/whole.csv" "$dir/fits.csv" || fail "predictions from FITS and safetensors differ"
"$zmae" finetune --data "$dir/sky.safetensors" --init "$dir/mae/model.safetensors" \
    --out "$dir/pdf" --head pdf --steps 3 --batch 16 --quiet
pool() {
    "$zmae" predict --model "$dir/pdf/model.safetensors,$dir/pdf/model.safetensors" --tta \
        --data "$dir/sky.safetensors" --quiet "$@"
}
pool --out "$dir/whole.fits"
pool --out "$dir/other.fits" --batch 7 --threads 1
cmp "$dir/whole.fits" "$dir/other.fits" || fail "pooled distributions change"
echo "150 distributions of two models under eight symmetries: the same"
echo "150 redshifts: the same with 4 batch sizes, 3 thread counts and 2 formats"
