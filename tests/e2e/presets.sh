#!/usr/bin/env bash
# Every recipe of --preset trains, its model loads, predicts, and has the parameters of the
# paper's network; options that contradict each other or --init are refused.
#
#   tests/e2e/presets.sh [ZMAE]
set -euo pipefail
zmae=${1:-build/zmae}
counts=$(dirname "$0")/../golden/parameters.json # PyTorch's, without cls_token and positions
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    printf 'presets: %s\n' "$*" >&2
    exit 1
}

# number PATTERN FILE: the first number after the pattern
number() { sed -n "s/.*$1[^0-9]*\([0-9]*\).*/\1/p" "$2" | head -1; }

short=(--steps 2 --batch 8 --quiet)
"$zmae" simulate --count 48 --size 48 --seed 5 --quiet --out "$dir/sky.fits"
pretrain() { "$zmae" pretrain --data "$dir/sky.fits" "${short[@]}" "$@"; }
finetune() { "$zmae" finetune --data "$dir/sky.fits" "${short[@]}" "$@"; }

# prints VERB PRESET KEY VALUE...: the numbers of the paper, not those of presets.c
prints() {
    local verb=$1 preset=$2
    shift 2
    "$zmae" "$verb" --preset "$preset" --print-config >"$dir/config.json"
    while (($#)); do
        grep -q "^  \"$1\": $2,\$" "$dir/config.json" || fail "$preset: $1 is not $2"
        shift 2
    done
}
network=(image 32 patch 8 width 192 depth 12 heads 3)
for name in astromae astromae-plain; do
    prints pretrain "$name" "${network[@]}" decoder-width 192 decoder-depth 4 decoder-heads 3 \
        mask-ratio 0.75 norm-pix false batch 2048 epochs 2000 warmup-epochs 196 lr 0.00117 \
        weight-decay 0.05 schedule '"cosine"' augment '"flip,angle"' noise 0.0 clip 0.0
done
for name in '' -vit -vit-magnitude -vit-inception -inception -henghes -scratch-vit \
    -scratch-vit-magnitude; do
    prints finetune "astromae-exp1$name" "${network[@]}" batch 1024 epochs 700 lr 0.0001 \
        schedule '"cyclic"' weight-decay 0.005 noise 0.05 head '"regression"' \
        augment '"flip,angle"' train-encoder false clip 0.0
done
prints finetune astromae-exp2 batch 1024 epochs 100 lr 7.2e-5 warmup-epochs 36 \
    schedule '"cosine"' weight-decay 0.005 noise 0.2 head '"regression"'
# 43 of 48 objects train: 5 steps of 8 an epoch, whose rate rises over 196 epochs
first_rate() { sed -n '1s/.*"lr":\([^,}]*\).*/\1/p' "$dir/$1/log.jsonl"; }

for name in astromae astromae-plain; do
    pretrain --preset "$name" --out "$dir/$name"
    "$zmae" reconstruct --model "$dir/$name/model.safetensors" --data "$dir/sky.fits" \
        --out "$dir/$name.png" --quiet >/dev/null
    (($(wc -l <"$dir/$name/log.jsonl") == 3)) || fail "$name: not two steps and a validation"
done
awk -v x="$(first_rate astromae)" 'BEGIN { exit !(x > 1.1938e-6 && x < 1.1940e-6) }' ||
    fail "the first step of the warm-up has the rate $(first_rate astromae)"
init=$dir/astromae/model.safetensors
plain=$dir/astromae-plain/model.safetensors

# try PRESET NETWORK [OPTION...]: the network as parameters.json calls it
tried=0
try() {
    local preset=$1 network=$2 out=$dir/try$tried tokens=0 trained_tokens=0
    shift 2
    finetune --preset "$preset" --out "$out" "$@"
    "$zmae" predict --model "$out/model.safetensors" --data "$dir/sky.fits" \
        --out "$out.csv" --quiet
    (($(wc -l <"$out.csv") == 49)) || fail "$preset: not a line for each of 48 cutouts"
    "$zmae" info --json "$out/model.safetensors" >"$out.json"
    # class token 192, positions 17 * 192
    [[ $network == inception || $network == henghes ]] || tokens=3456
    [[ $network != scratch* ]] || trained_tokens=192
    (($(number '"total":' "$out.json") == $(number "\"$network\":" "$counts") + tokens)) ||
        fail "$preset: not the parameters of $network"
    (($(number '"trainable":' "$out.json") ==
        $(number "\"$network\": \[[0-9]*," "$counts") + trained_tokens)) ||
        fail "$preset: not the trained parameters of $network"
    tried=$((tried + 1))
}

try astromae-exp1 pcm --init "$init"
try astromae-exp1 plain --init "$plain"
try astromae-exp2 pcm --init "$init"
try astromae-exp1-vit pcm-vit --init "$init"
try astromae-exp1-vit plain-vit --init "$plain"
try astromae-exp1-vit-magnitude pcm-vit-magnitude --init "$init"
try astromae-exp1-vit-inception pcm-vit-inception --init "$init"
try astromae-exp1-inception inception
try astromae-exp1-henghes henghes
try astromae-exp1-scratch-vit scratch-pcm-vit
try astromae-exp1-scratch-vit-magnitude scratch-pcm-vit-magnitude
[[ $(number '"total":' "$dir/try0.json") == 15902889 ]] || # 15,899,433 and the tokens
    fail "pcm-AstroMAE has not the published number of parameters"
presets=$("$zmae" finetune --help | sed -n 's/^ *\(astromae-[a-z0-9-]*\) .*/\1/p' | wc -l)
((presets == 9)) || fail "$presets presets of finetune, 9 are tried"

# The head of one model on another; what is recorded is what comes out.
finetune --init "$dir/try0/model.safetensors" --head pdf --bins 60 --z-range=-0.1,1.1 \
    --out "$dir/pdf"
"$zmae" info --json "$dir/pdf/model.safetensors" >"$dir/pdf.json"
[[ $(number '"bins":' "$dir/pdf.json") == 60 ]] || fail "60 bins are not in the metadata"
finetune --init "$dir/pdf/model.safetensors" --out "$dir/again" # keeps its head
"$zmae" info --json "$dir/again/model.safetensors" >"$dir/again.json"
grep -q '"z_max": 1.1' "$dir/again.json" || fail "the head of --init was not kept"
lines=$("$zmae" finetune --data "$dir/sky.fits" --init "$init" --preset astromae-exp2 \
    --steps 1 --batch 8 --out "$dir/short" 2>&1)
grep -q 'warm-up takes 180 steps, the run has 1' <<<"$lines" || fail "no warning: $lines"

# A head that was asked for although it is the default is in config.json, too.
finetune --init "$dir/pdf/model.safetensors" --head regression --out "$dir/point"
"$zmae" finetune --config "$dir/point/config.json" --out "$dir/point-again"
cmp "$dir/point/model.safetensors" "$dir/point-again/model.safetensors" ||
    fail "config.json does not repeat the run that wrote it"
finetune --init "$init" --head gauss --out "$dir/gauss" --log-every 1
# In units of the training redshifts' spread the first residuals are about 1, and the log
# variance of z, below 0.5 squared, makes the loss negative from the first step.
head -1 "$dir/gauss/log.jsonl" | grep -q '"loss":-' ||
    fail "a normal law does not start at the redshifts' mean and variance"
lines=$("$zmae" finetune --data "$dir/sky.fits" --init "$init" --head pdf --z-range 0,0.05 \
    --steps 1 --batch 8 --out "$dir/narrow" 2>&1)
grep -q '48 of 48 objects have a redshift' <<<"$lines" || fail "labels are not counted"
grep -q 'redshifts lie outside of --z-range 0,0.05' <<<"$lines" || fail "no warning: $lines"

# An encoder that trains goes on to the same bytes, batch norms of its pcm blocks included.
scratch() {
    "$zmae" finetune --data "$dir/sky.fits" --from-scratch --branches encoder,magnitudes \
        --head pdf --depth 2 --width 48 --heads 3 --steps 6 --checkpoint-every 3 --batch 8 \
        --val 0.2 --quiet --out "$dir/scratch" "$@"
}
scratch
cp "$dir/scratch/model.safetensors" "$dir/whole.safetensors"
rm "$dir/scratch/step-6.ckpt" "$dir/scratch/model.safetensors"
scratch --resume auto
cmp "$dir/whole.safetensors" "$dir/scratch/model.safetensors" ||
    fail "a run from scratch does not go on to the same bytes"

# Cutouts larger than those of the autoencoder, where asked for: as convert makes it first.
finetune --init "$init" --image 48 --out "$dir/larger"
"$zmae" convert "$init" "$dir/init48.safetensors" --image 48
finetune --init "$dir/init48.safetensors" --out "$dir/larger-too"
cmp "$dir/larger/model.safetensors" "$dir/larger-too/model.safetensors" ||
    fail "--image does not do what convert does"

# refused WORD COMMAND...: exit 2, the message has the word, nothing is left
refused() {
    local word=$1 status=0
    shift
    "$@" --out "$dir/refused" 2>"$dir/message" || status=$?
    ((status == 2)) || fail "exit $status, not 2: $*"
    grep -q -e "$word" "$dir/message" || fail "no $word: $(cat "$dir/message")"
    [[ ! -e $dir/refused ]] || fail "left files: $*"
}
refused --init finetune
refused --init finetune --init "$init" --from-scratch
refused --patch finetune --init "$init" --patch 4
refused --image finetune --init "$init" --image 44
refused --image finetune --init "$dir/larger/model.safetensors" --image 32
refused --patch finetune --init "$init" --image 48 --patch 4
refused --image pretrain --init "$init" --image 48
refused --blocks finetune --init "$init" --blocks plain
refused --stretch finetune --init "$init" --stretch none
refused --width pretrain --init "$init" --width 96
refused --decoder-depth pretrain --init "$init" --decoder-depth 2
refused --blocks pretrain --init "$plain" --preset astromae
refused --depth finetune --preset astromae-exp1-henghes --depth 6
refused magnitude finetune --from-scratch --branches magnitude
refused 'encoder or an inception' finetune --from-scratch --branches magnitudes
refused --bins finetune --init "$init" --bins 90
refused --z-range finetune --init "$init" --head pdf --z-range 0.4
refused range finetune --init "$init" --head pdf --z-range 0.4,0.4
refused 'no encoder' finetune --init "$dir/try7/model.safetensors" --branches encoder
echo "2 + 9 presets, $tried models: parameters of the paper's networks; 19 contradictions refused"
