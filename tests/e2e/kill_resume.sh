#!/usr/bin/env bash
# Training that is killed (SIGKILL) at random moments and resumed ends in the same model
# bytes as training that was left alone; SIGINT saves and exits 130.
#
#   tests/e2e/kill_resume.sh [ZMAE] [KILLS a verb] [SEED]
set -euo pipefail
zmae=${1:-build/zmae}
kills=${2:-10}
RANDOM=${3:-1}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

say() { printf '%s\n' "$*"; }
fail() {
    say "kill_resume: $*" >&2
    exit 1
}

small=(--image 16 --patch 8 --width 32 --depth 2 --heads 2 --decoder-width 32
    --decoder-depth 1 --decoder-heads 2)
"$zmae" simulate --count 96 --size 32 --seed 5 --out "$dir/data.safetensors" --quiet
"$zmae" simulate --count 240 --size 16 --seed 6 --out "$dir/many.safetensors" --quiet
common=(--data "$dir/data.safetensors" --batch 16 --val 0.2 --augment flip,rot90,angle
    --noise 0.1 --checkpoint-every 7 --seed 6 --quiet)
pretrain=(pretrain "${common[@]}" "${small[@]}" --steps 1500)
finetune=(finetune "${common[@]}" --init "$dir/pretrain-whole/model.safetensors" --steps 120)
# a fresh encoder that trains, with running means, and a map learnt on the validation part
pdf=(finetune --data "$dir/many.safetensors" --from-scratch --branches encoder,magnitudes
    --image 16 --patch 8 --width 32 --depth 2 --heads 2 --head pdf --bins 40
    --calibrate quantile --val 0.5 --val-every 5 --checkpoint-every 7 --batch 16
    --seed 6 --quiet --steps 120)

now_ms() { date +%s%3N; }

# run_killed NAME COMMAND...: kills the run until the wanted number of kills has landed in
# a training that was still going on, then lets it finish.
run_killed() {
    local name=$1 out=$dir/$1-killed landed=0 tries=0 start took
    shift
    start=$(now_ms)
    "$zmae" "$@" --out "$dir/$name-whole" || fail "$name: the uninterrupted run failed"
    took=$(($(now_ms) - start))
    while ((landed < kills)); do
        ((++tries < 20 * kills)) || fail "$name: only $landed of $kills kills landed"
        "$zmae" "$@" --out "$out" --resume auto &
        local pid=$!
        # long enough to pass some checkpoints, short enough to be killed often
        sleep "$(awk -v r=$RANDOM -v ms="$took" -v n="$kills" \
            'BEGIN { print 0.05 + (r / 32768) * 2 * ms / 1000 / (n + 2) }')"
        if kill -9 $pid 2>/dev/null; then landed=$((landed + 1)); fi
        wait $pid 2>/dev/null || true
        if [[ -e $out/model.safetensors ]]; then # it finished first: once more, afresh
            rm -rf "$out"
        fi
    done
    "$zmae" "$@" --out "$out" --resume auto || fail "$name: the last resume failed"
    for file in model.safetensors best.safetensors log.jsonl; do
        cmp "$dir/$name-whole/$file" "$out/$file" || fail "$name: $file differs"
    done
    ! compgen -G "$out/*.tmp*" >/dev/null || fail "$name: temporary files are left in $out"
    say "$name: killed $landed times, the same model, best model and log"
}

run_killed pretrain "${pretrain[@]}"
run_killed finetune "${finetune[@]}"
run_killed pdf "${pdf[@]}"
for file in model best; do
    "$zmae" info --json "$dir/pdf-killed/$file.safetensors" >"$dir/info.json"
    grep -q '"map"' "$dir/info.json" ||
        fail "pdf: $file.safetensors has lost its calibration"
done

# Ctrl-C: saves, exits 130, and the run continues to the same bytes.
"$zmae" "${pretrain[@]}" --out "$dir/pretrain-int" &
pid=$!
sleep 0.7
kill -INT $pid 2>/dev/null || fail "SIGINT: the run ended before the signal"
status=0
wait $pid || status=$?
((status == 130)) || fail "SIGINT: exit status $status, expected 130"
compgen -G "$dir/pretrain-int/step-*.ckpt" >/dev/null || fail "SIGINT: no checkpoint"
"$zmae" "${pretrain[@]}" --out "$dir/pretrain-int" --resume auto
cmp "$dir/pretrain-whole/model.safetensors" "$dir/pretrain-int/model.safetensors" ||
    fail "SIGINT: the resumed model differs"
"$zmae" "${pretrain[@]}" --out "$dir/pretrain-int" --resume auto || fail "finished run: not 0"
status=0
"$zmae" "${pretrain[@]}" --out "$dir/pretrain-int" 2>/dev/null || status=$?
((status == 2)) || fail "a used DIR without --resume: exit status $status, expected 2"
say "SIGINT: saved, 130, the same model after resuming"
