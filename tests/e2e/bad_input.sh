#!/usr/bin/env bash
# What zmae does with wrong, damaged and hostile input, seen from outside: the exit status,
# one clear line on stderr, a clean stdout, nothing half written and no crash.
#
#   tests/e2e/bad_input.sh [ZMAE]
#
# With sanitizers:  cmake -S . -B build-asan -G Ninja -DZM_SANITIZE=ON &&
#                   ninja -C build-asan zmae && tests/e2e/bad_input.sh build-asan/zmae
# Real cutouts are taken from $ZMAE_DATA or ../shared/data; simulated ones stand in.
set -uo pipefail
zmae=$(realpath "${1:-build/zmae}") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export ZMAE_DEVICE=cpu
export ASAN_OPTIONS=exitcode=99:${ASAN_OPTIONS:-} UBSAN_OPTIONS=exitcode=99:${UBSAN_OPTIONS:-}
rss_limit=300
! grep -q __asan_init "$zmae" || rss_limit=1500 # shadow memory and quarantine

passed=0 failed=0 skipped=0
ok() {
    printf 'ok    %s\n' "$1"
    passed=$((passed + 1))
}
bad() {
    printf 'FAIL  %s: %s\n' "$1" "$2"
    sed 's/^/      | /' "$dir/stderr" 2>/dev/null | cut -c1-300 | head -8
    failed=$((failed + 1))
}
skip() {
    printf 'skip  %s: %s\n' "$1" "$2"
    skipped=$((skipped + 1))
}
die() {
    printf 'bad_input: %s\n' "$1" >&2
    exit 1
}

# run COMMAND...: status, stdout and stderr of one run beside an earlier result, out/kept.
out=$dir/out
kept=$out/kept
run() {
    local suffix
    mkdir -p "$out"
    for suffix in csv fits png safetensors; do printf 'earlier\n' >"$kept.$suffix"; done
    timeout 60 "$@" >"$dir/stdout" 2>"$dir/stderr" </dev/null
    status=$?
}

# What is wrong with a failed run, beside its status; empty = nothing.
complaint() {
    local regex=$1 lines suffix
    if ((status >= 128 && status != 130 && status != 143)); then
        echo "died: status $status"
        return
    fi
    ((status != 99)) || { echo "a sanitizer stopped it"; return; }
    [[ ! -s $dir/stdout ]] || { echo "stdout is not clean"; return; }
    lines=$(grep -c '^zmae: error: ' "$dir/stderr")
    ((lines == 1)) || { echo "$lines error lines on stderr"; return; }
    grep '^zmae: error: ' "$dir/stderr" | grep -Eqi -- "$regex" ||
        { echo "no \"$regex\" in the message"; return; }
    ! grep -Pqa '[^\x20-\x7e\t\n]' "$dir/stderr" ||
        { echo "unprintable bytes on stderr"; return; }
    untouched
}
untouched() {
    local suffix
    for suffix in csv fits png safetensors; do
        [[ $(cat "$kept.$suffix" 2>&1) == earlier ]] || { echo "the earlier $suffix was touched"; return; }
    done
    lines=$(find "$out" -mindepth 1 ! -name 'kept.*' -printf '%P ')
    [[ -z $lines ]] || echo "left behind: $lines"
}

# refused NAME STATUS REGEX COMMAND...
refused() {
    local name=$1 want=$2 regex=$3 why
    shift 3
    run "$@"
    why=$(complaint "$regex")
    if [[ -n $why ]]; then
        bad "$name" "$why"
    elif ((status != want)); then
        bad "$name" "status $status, expected $want"
    else
        ok "$name"
    fi
    rm -rf "$out"
}

# accepted NAME COMMAND...: status 0 and no error line
accepted() {
    local name=$1
    shift
    run "$@"
    if ((status != 0)); then
        bad "$name" "status $status, expected 0"
        return 1
    fi
    ok "$name"
}

# ---- models and data

mae=$dir/mae.safetensors z=$dir/z.safetensors data=$dir/data.safetensors
small=(--image 32 --patch 8 --width 32 --depth 1 --heads 2 --decoder-width 32 --decoder-depth 1
    --decoder-heads 2)
train=(--data "$data" --batch 8 --val 0.2 --seed 6 --quiet)
"$zmae" simulate --count 24 --size 32 --seed 5 --out "$data" --quiet || die "no data set"
"$zmae" simulate --count 24 --size 32 --seed 5 --out "$dir/data.fits" --quiet || die "no table"
"$zmae" pretrain "${train[@]}" "${small[@]}" --steps 30 --checkpoint-every 10 \
    --out "$dir/run" || die "no autoencoder"
cp "$dir/run/model.safetensors" "$mae"
"$zmae" finetune "${train[@]}" --init "$mae" --steps 2 --checkpoint-every 0 --out "$dir/z" ||
    die "no redshift model"
mv "$dir/z/model.safetensors" "$z" && rm -r "$dir/z"
"$python" "$here/make_bad.py" files "$dir" >"$dir/cases" || die "no bad files"
"$python" "$here/make_bad.py" mutants "$dir" || die "no mutants"

predict=("$zmae" predict --model "$z" --out "$kept.csv" --quiet --data)
paint=("$zmae" reconstruct --data "$data" --out "$kept.png" --quiet --model)
look=("$zmae" reconstruct --model "$mae" --out "$kept.png" --quiet --data) # small and fast

# ---- one line of make_bad.py each

while IFS=$'\t' read -r use file want regex; do
    name=$(basename "$file")
    about="$name.*($regex)"
    case $use in
    hostile)
        refused "model $name" "$want" "$about" "${paint[@]}" "$file"
        refused "data $name" "$want" "$name" "${look[@]}" "$file"
        refused "info $name" "$want" "$about" "$zmae" info "$file" --json
        ;;
    model-mae)
        refused "reconstruct $name" "$want" "$about" "${paint[@]}" "$file"
        refused "finetune --init $name" "$want" "$about" "$zmae" finetune "${train[@]}" \
            --steps 2 --init "$file" --out "$out/run"
        ;;
    model-z)
        refused "predict $name" "$want" "$about" "$zmae" predict --model "$file" \
            --data "$data" --out "$kept.fits" --quiet
        rm "$file"
        ;;
    data)
        refused "predict $name" "$want" "$about" "${predict[@]}" "$file"
        refused "pretrain $name" "$want" "$name" "$zmae" pretrain --data "$file" --quiet \
            "${small[@]}" --steps 2 --out "$out/run"
        ;;
    noise | noise-nan)
        refused "reconstruct $name" "$want" "$about" "$zmae" reconstruct --model "$mae" \
            --data "$file" --out "$kept.safetensors" --quiet
        [[ $use == noise ]] || continue # values are read when training has begun
        refused "pretrain $name" "$want" "$about" "$zmae" pretrain --data "$file" --quiet \
            "${small[@]}" --steps 2 --batch 8 --out "$out/run"
        ;;
    unlabelled)
        refused "finetune $name" "$want" "$about" "$zmae" finetune --data "$file" --quiet \
            --init "$mae" --steps 2 --out "$out/run"
        ;;
    pred)
        refused "evaluate $name" "$want" "$about" "$zmae" evaluate --pred "$file" --json
        ;;
    masked)
        if accepted "predict $name" "${predict[@]}" "$file"; then
            # some rows are masked (bit 0); a redshift is a number, but nan exactly where
            # there is no pixel at all (bit 7)
            if awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
                { if ($at["flags"] % 2) masked++
                  blind = int($at["flags"] / 128) % 2
                  if (blind ? $at["z_phot"] != "nan" \
                            : $at["z_phot"] !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) exit 1 }
                END { if (!masked) exit 1 }' "$kept.csv"; then
                ok "predict $name: masked pixels are flagged, z_phot is a number where there is a pixel"
            else
                bad "predict $name" "$(head -3 "$kept.csv" | tr '\n' ' ')"
            fi
        fi
        rm -rf "$out"
        ;;
    bomb)
        refused "predict $name" "$want" "$about" "${predict[@]}" "$file"
        read -r status peak < <("$python" "$here/make_bad.py" rss "${predict[@]}" "$file" 2>/dev/null)
        if ((peak < rss_limit)); then
            ok "predict $name: $peak MiB"
        else
            bad "predict $name" "took $peak MiB, expected less than $rss_limit"
        fi
        rm -rf "$out"
        ;;
    *) die "what to do with $use?" ;;
    esac
done <"$dir/cases"

# ---- what does not exist, is of another kind or does not fit

bads=$dir/bad
refused "predict: no data" 4 "nowhere.fits.*No such file" "${predict[@]}" "$dir/nowhere.fits"
refused "predict: no model" 4 "nowhere.*No such file" "$zmae" predict --model "$dir/nowhere" \
    --data "$data" --out "$kept.csv"
refused "info: no file" 4 "nowhere.*No such file" "$zmae" info "$dir/nowhere"
refused "evaluate: no file" 4 "nowhere.*No such file" "$zmae" evaluate --pred "$dir/nowhere"
refused "evaluate: no truth" 4 "nowhere.*No such file" "$zmae" evaluate --pred "$data" \
    --truth "$dir/nowhere"
refused "pretrain: no data" 4 "nowhere.*No such file" "$zmae" pretrain --data "$dir/nowhere" \
    --out "$out/run"
refused "finetune: no model" 4 "nowhere.*No such file" "$zmae" finetune "${train[@]}" \
    --init "$dir/nowhere" --out "$out/run"
refused "simulate: no catalogue" 4 "nowhere.*No such file" "$zmae" simulate --count 2 \
    --catalog "$dir/nowhere" --out "$kept.fits"
refused "simulate: a catalogue without magnitudes" 3 "data.fits.*MODELFLUX" "$zmae" simulate \
    --count 2 --catalog "$dir/data.fits" --out "$kept.fits"
refused "predict: directory without cutouts" 3 "no-cutouts.*found none" "${predict[@]}" \
    "$bads/no-cutouts"
refused "info: directory without cutouts" 3 "no-cutouts.*found none" "$zmae" info "$bads/no-cutouts"
refused "predict: an autoencoder" 3 "mae.safetensors.*autoencoder.*expected.*redshift" \
    "$zmae" predict --model "$mae" --data "$data" --out "$kept.csv"
refused "reconstruct: a redshift model" 3 "z.safetensors.*expected a masked autoencoder" "${paint[@]}" "$z"
refused "pretrain --init: a redshift model" 3 "z.safetensors.*expected a masked autoencoder" \
    "$zmae" pretrain "${train[@]}" --init "$z" --out "$out/run"
refused "predict: a data set as model" 3 "data.safetensors.*not a model" "$zmae" predict \
    --model "$data" --data "$data" --out "$kept.csv"
refused "predict: FITS as model" 3 "data.fits" "$zmae" predict --model "$dir/data.fits" \
    --data "$data" --out "$kept.csv"
refused "predict: a model as data" 3 "z.safetensors.*images" "${predict[@]}" "$z"
refused "predict: a device as data" 4 "/dev/null" "${predict[@]}" /dev/null
refused "pretrain --image beyond the data" 3 "data.safetensors.*32.*64" "$zmae" pretrain \
    "${train[@]}" "${small[@]}" --image 64 --steps 2 --out "$out/run"
refused "pretrain: patches that do not divide the image" 2 "patch" "$zmae" pretrain \
    "${train[@]}" --image 32 --patch 7 --out "$out/run"
if accepted "info: a 2-d image is described" "$zmae" info "$bads/frame.fits" --json; then
    grep -q '"axes"' "$dir/stdout" && "$python" -m json.tool "$dir/stdout" >/dev/null &&
        ok "info: a frame has axes" || bad "info: a frame" "no axes in JSON"
fi

# ---- options

for spec in '--count abc' '--count -1' '--count 1.5' '--count 99999999999999999999999' \
    '--count 0' '--size 5' '--size 4294967297' '--count' '--seed 1e3' '--threads many' \
    '--no-such-option' 'stray' '--precision f64' '--config'; do
    option=${spec%% *}
    # shellcheck disable=SC2086
    refused "simulate $spec" 2 "$option" "$zmae" simulate --count 2 --out "$kept.fits" $spec
done
refused "simulate without --count" 2 "--count is missing" "$zmae" simulate --out "$kept.fits"
refused "simulate --out with an empty name" 2 "--out" "$zmae" simulate --count 2 --out ''
for spec in '--lr nan' '--lr inf' '--lr 1e999' '--lr 0x10' '--schedule square' '--augment tumble' \
    '--val 1.5' '--resume never' '--mask-ratio 2'; do
    # shellcheck disable=SC2086
    refused "pretrain $spec" 2 "${spec%% *}" "$zmae" pretrain --data "$data" --out "$out/run" $spec
done
refused "pretrain --precision mixed is refused before training" 2 "precision" "$zmae" pretrain \
    "${train[@]}" "${small[@]}" --steps 2 --precision mixed --out "$out/run"
refused "an unknown verb" 2 "no verb" "$zmae" dream
refused "info without FILE" 2 "FILE" "$zmae" info
refused "info of two files" 2 "not expected" "$zmae" info "$data" "$z"
echo '{"count": "many"}' >"$dir/config.json"
refused "--config with a wrong type" 2 "config.json.*count" "$zmae" simulate --config \
    "$dir/config.json" --out "$kept.fits"
echo '{"cuont": 3}' >"$dir/config.json"
refused "--config with an unknown option" 2 "config.json.*cuont" "$zmae" simulate --config \
    "$dir/config.json" --count 2 --out "$kept.fits"
echo '{"count": ' >"$dir/config.json"
refused "--config that is no JSON" 3 "config.json.*line" "$zmae" simulate --config \
    "$dir/config.json" --out "$kept.fits"
refused "ZMAE_DEVICE=nonsense" 6 "nonsense.*there is: cpu" env ZMAE_DEVICE=nonsense \
    "${predict[@]}" "$data"
refused "--device vulkan:99" 6 "there is: cpu" "${predict[@]}" "$data" --device vulkan:99
refused "--device nonsense before training" 6 "nonsense.*cpu" "$zmae" pretrain "${train[@]}" \
    "${small[@]}" --steps 2 --device nonsense --out "$out/run"

# ---- packed files damaged at random

for folder in "$dir"/mutants/*/; do
    kind=$(basename "$folder")
    verdict="" accepted=0 refused_count=0
    for file in "$folder"/*.fits; do
        name=$(basename "$file")
        run "${look[@]}" "$file"
        if ((status == 3)); then
            why=$(complaint "$name")
            refused_count=$((refused_count + 1))
        elif ((status == 0)); then
            why=""
            accepted=$((accepted + 1))
            # damage that cannot be seen gives other pixels, and a picture all the same
            [[ $(head -c 4 "$kept.png" | tail -c 3) == PNG ]] || why="no picture in $kept.png"
        else
            why=$(complaint "$name")
            why="status $status ${why}"
        fi
        [[ $name != whole.fits || $status == 0 ]] || why="the undamaged file is refused"
        [[ -z $why ]] || { verdict="$name: $why"; break; }
        rm -rf "$out"
    done
    if [[ -n $verdict ]]; then
        bad "$kind damaged at random" "$verdict"
    else
        ok "$kind damaged at random: $refused_count refused, $accepted read"
    fi
    rm -rf "$out"
done

# ---- full disks and read-only places

# full NAME FILE COMMAND...: writes to /dev/full under the name FILE
full() {
    local name=$1 link=$dir/full/$2
    shift 2
    mkdir -p "$dir/full"
    ln -sf /dev/full "$link"
    refused "/dev/full: $name" 4 "full|space" "$@" --out "$link"
    [[ $(ls -A "$dir/full") == $(basename "$link") && -L $link ]] || bad "/dev/full: $name" "link replaced"
    rm -r "$dir/full"
}
full "predict csv" x.csv "$zmae" predict --model "$z" --data "$data" --quiet
full "predict fits" x.fits "$zmae" predict --model "$z" --data "$data" --quiet
full "simulate fits" x.fits "$zmae" simulate --count 4 --size 32 --quiet
full "simulate safetensors" x.st "$zmae" simulate --count 4 --size 32 --quiet
full "reconstruct png" x.png "$zmae" reconstruct --model "$mae" --data "$data" --quiet
full "reconstruct tensors" x.st "$zmae" reconstruct --model "$mae" --data "$data" --quiet
run bash -c '"$@" >/dev/full' - "$zmae" info "$data" --json
[[ $status == 4 && -z $(complaint "standard output") ]] && ok "/dev/full: info on stdout" ||
    bad "/dev/full: info on stdout" "status $status $(complaint "standard output")"
rm -rf "$out"

# On a file system of 64 KiB where mounting is allowed, else with files of at most 8 KiB.
cat >"$dir/cramped.sh" <<'END'
where=$1 kib=$2
shift 2
if [[ $kib != limit ]]; then
    mount -t tmpfs -o "size=${kib}k" zmae "$where" || exit 125
fi
printf 'earlier\n' >"$where/kept"
for suffix in csv fits png st; do printf 'earlier\n' >"$where/kept.$suffix"; done
mkdir -p "$where/run" && printf 'earlier\n' >"$where/run/model.safetensors"
if [[ $kib == limit ]]; then
    trap '' XFSZ
    ulimit -f 8
fi
"$@"
status=$?
trap - XFSZ
for file in "$where"/kept.* "$where/run/model.safetensors"; do
    [[ $(cat "$file") == earlier ]] || { echo "touched: $file" >&2; exit 98; }
done
[[ -z $(find "$where" -name '*.tmp*') ]] || { echo "left: $(find "$where" -name '*.tmp*')" >&2; exit 97; }
exit $status
END
cramped=(unshare -m bash "$dir/cramped.sh" "$dir/tiny" 64)
mkdir "$dir/tiny"
if ! "${cramped[@]}" true 2>/dev/null; then
    cramped=(unshare -rm bash "$dir/cramped.sh" "$dir/tiny" 64)
    "${cramped[@]}" true 2>/dev/null || cramped=(bash "$dir/cramped.sh" "$dir/tiny" limit)
fi
how=$([[ ${cramped[*]} == *limit ]] && echo "file size limit" || echo "64 KiB disk")
full_disk() {
    local name=$1
    shift
    refused "$how: $name" 4 "space|large|full" "${cramped[@]}" "$@"
    [[ $how != "file size limit" ]] || { rm -rf "$dir/tiny" && mkdir "$dir/tiny"; }
}
tiny=$dir/tiny/kept
"$zmae" simulate --count 1500 --size 16 --seed 5 --out "$dir/many.safetensors" --quiet
"$zmae" pretrain --data "$dir/many.safetensors" "${small[@]}" --image 16 --steps 1 --batch 8 \
    --out "$dir/mae16" --quiet
"$zmae" finetune --data "$dir/many.safetensors" --init "$dir/mae16/model.safetensors" --steps 1 \
    --batch 8 --out "$dir/z16" --checkpoint-every 0 --quiet
wide=("$zmae" predict --model "$dir/z16/model.safetensors" --data "$dir/many.safetensors" --quiet)
rm -f "$dir"/z16/*.ckpt
full_disk "predict csv" "${wide[@]}" --out "$tiny.csv"
full_disk "predict fits" "${wide[@]}" --out "$tiny.fits"
full_disk "simulate fits" "$zmae" simulate --count 20 --size 64 --out "$tiny.fits" --quiet
full_disk "simulate safetensors" "$zmae" simulate --count 20 --size 64 --out "$tiny.st" --quiet
full_disk "reconstruct png" "$zmae" reconstruct --model "$mae" --data "$data" --count 24 \
    --out "$tiny.png" --quiet
full_disk "reconstruct tensors" "$zmae" reconstruct --model "$mae" --data "$data" \
    --out "$tiny.st" --quiet
full_disk "pretrain" "$zmae" pretrain "${train[@]}" "${small[@]}" --steps 4 --checkpoint-every 2 \
    --out "$dir/tiny/run"
rm -rf "$dir/many.safetensors" "$dir/mae16" "$dir/z16"

mkdir "$dir/locked"
refused "an output in a directory that does not exist" 4 "nowhere/x.csv" "$zmae" predict \
    --model "$z" --data "$data" --out "$dir/nowhere/x.csv" --quiet
refused "an output that is a directory" 4 "locked.*directory" "$zmae" predict --model "$z" \
    --data "$data" --out "$dir/locked" --quiet
refused "a run in a file" 4 "data.safetensors.*not a directory|data.safetensors.*exists" \
    "$zmae" pretrain "${train[@]}" "${small[@]}" --steps 2 --out "$data"
if ((EUID == 0)); then
    read_only=(unshare -m bash -c 'mount -t tmpfs -o ro zmae "$0" && exec "$@"' "$dir/locked")
    "${read_only[@]}" true 2>/dev/null || read_only=()
else
    chmod a-w "$dir/locked"
    read_only=(env)
fi
if ((${#read_only[@]})); then
    refused "predict into a read-only directory" 4 "locked/x.csv.*(read-only|denied)" \
        "${read_only[@]}" "$zmae" predict --model "$z" --data "$data" --out "$dir/locked/x.csv" --quiet
    refused "pretrain into a read-only directory" 4 "locked.*(read-only|denied)" \
        "${read_only[@]}" "$zmae" pretrain "${train[@]}" "${small[@]}" --steps 2 --out "$dir/locked/run"
else
    skip "read-only directory" "root, and mounting is not allowed"
fi

# ---- checkpoints

resume=("$zmae" pretrain "${train[@]}" "${small[@]}" --steps 30 --checkpoint-every 10 --resume auto)
resume=("${resume[@]/--quiet/--verbose}")
same_run() {
    local file
    for file in model.safetensors best.safetensors log.jsonl; do
        cmp -s "$dir/run/$file" "$1/$file" || { echo "$file differs from the undisturbed run"; return; }
    done
    [[ -z $(find "$1" -name '*.tmp*') ]] || echo "temporary files are left"
}
# damaged NAME WARNINGS COMMAND-ON-A-COPY: warns, falls back, ends in the same bytes
damaged() {
    local name=$1 warnings=$2 copy=$dir/copy why
    shift 2
    rm -rf "$copy" && cp -r "$dir/run" "$copy" && rm "$copy/model.safetensors"
    (cd "$copy" && "$@") || die "$name: $* failed"
    run "${resume[@]}" --out "$copy"
    why=$(same_run "$copy")
    if ((status != 0)); then
        bad "$name" "status $status, expected 0"
    elif (($(grep -c 'warning: passing over a damaged .*step-[0-9]*.ckpt' "$dir/stderr") != warnings)); then
        bad "$name" "expected $warnings warnings that name the checkpoint"
    elif [[ -n $why ]]; then
        bad "$name" "$why"
    else
        ok "$name"
    fi
    rm -rf "$out" "$copy"
}
flip=("$python" "$here/make_bad.py" flip)
damaged "checkpoint: the newest is truncated" 1 truncate -s 300000 step-30.ckpt
damaged "checkpoint: the newest is empty" 1 truncate -s 0 step-30.ckpt
damaged "checkpoint: one bit of the last moment" 1 "${flip[@]}" step-30.ckpt -3
damaged "checkpoint: one bit of the weights" 1 "${flip[@]}" step-30.ckpt 4000
damaged "checkpoint: one bit of the header's length" 1 "${flip[@]}" step-30.ckpt 1
meta_at() { grep -abo -m1 "$1" "$dir/run/step-30.ckpt" | head -1 | cut -d: -f1; }
for key in '"step":"30' 'best_step":"' 'best_loss":"0x1.' 'weight-decay\\":' 'device":"'; do
    at=$(meta_at "$key")
    [[ -n $at ]] || { bad "checkpoint: $key" "not found in the header"; continue; }
    plain=${key//\\\\/\\}
    at=$((at + ${#plain} - $([[ $key == '"step":"30' ]] && echo 1 || echo 0)))
    damaged "checkpoint: one bit of ${key//[^a-z_-]/}" 1 "${flip[@]}" step-30.ckpt "$at"
done
damaged "checkpoint: all are damaged, the run starts afresh" 2 bash -c \
    'for f in step-*.ckpt; do truncate -s 999 $f; done'
damaged "checkpoint: none, the run starts afresh" 0 bash -c 'rm step-*.ckpt'
accepted "checkpoint: a finished run does nothing" "${resume[@]}" --out "$dir/run"
refused "pretrain into a used directory without --resume" 2 "run.*--resume auto" "$zmae" \
    pretrain "${train[@]}" "${small[@]}" --steps 30 --out "$dir/run"
refused "pretrain --resume with another --lr" 2 "ckpt.*--lr" "${resume[@]}" --lr 5e-4 --out "$dir/run"
truncate -s 3000 "$dir/run/step-20.ckpt"
refused "info: a truncated checkpoint" 3 "step-20.ckpt.*truncated" "$zmae" info "$dir/run/step-20.ckpt"
if accepted "info: a checkpoint" "$zmae" info "$dir/run/step-30.ckpt" --json; then
    "$python" -c 'import json, sys
c = json.load(open(sys.argv[1]))["checkpoint"]
assert c["step"] == 30 and c["micro_batch"] == 8 and c["best_loss"] > 0 and c["options"]["batch"] == 8' \
        "$dir/stdout" 2>>"$dir/stderr" && ok "info: a checkpoint's step, loss and options" ||
        bad "info: a checkpoint" "step, best loss, micro-batch or options are missing"
fi
if accepted "info: a model" "$zmae" info "$z" --json; then
    "$python" -c 'import json, sys
m = json.load(open(sys.argv[1]))
p = m["parameters"]
assert "redshift" in m["kind"] and p["total"] > p["trainable"] > 0
assert m["zmae"]["preprocessing"]["stretch"] == "asinh"' \
        "$dir/stdout" 2>>"$dir/stderr" && ok "info: a model's parameters and preprocessing" ||
        bad "info: a model" "kind, parameters or preprocessing are missing"
fi
rm -rf "$out"

# ---- a directory with broken files among good ones

sky=${ZMAE_DATA:-$here/../../../shared/data}/sdss-cutouts
mkdir "$dir/mixed"
if [[ -d $sky ]]; then
    cp -r "$sky/." "$dir/mixed/"
    chmod -R u+w "$dir/mixed"
    what="real cutouts"
else
    skip "real cutouts" "$sky is not there; simulated ones stand in"
    what="cutouts"
    for i in $(seq 10 59); do
        "$python" -c 'import sys; sys.path.insert(0, sys.argv[1]); import make_bad as m
open(sys.argv[3], "wb").write(m.fits_image(m.cube(seed=int(sys.argv[2]))))' "$here" "$i" "$dir/mixed/c$i.fits"
    done
fi
good=$(find "$dir/mixed" -name '*.fits*' | wc -l)
"${predict[@]}" "$dir/mixed" --out "$dir/whole.csv" || die "the good cutouts are not predicted"
cp "$bads/4-planes.fits" "$dir/mixed/aaa.fits"
cp "$bads/cube-cut.fits" "$dir/mixed/mmm.fits"
cp "$dir/mutants/rice/mutant-03.fits" "$dir/mixed/zzz.fits"
run "${predict[@]/--quiet/--verbose}" "$dir/mixed"
rows=$(($(wc -l <"$kept.csv") - 1))
if ((status != 3)); then
    bad "$good $what and 3 broken files" "status $status, expected 3"
elif ((rows != good)); then
    bad "$good $what and 3 broken files" "$rows rows"
elif [[ $(grep -c 'warning: skipped: .*\(aaa\|mmm\|zzz\).fits' "$dir/stderr") != 3 ]]; then
    bad "$good $what and 3 broken files" "expected 3 warnings that name the files"
elif ! cmp -s <(cut -d, -f2-4 "$dir/whole.csv" | sort) <(cut -d, -f2-4 "$kept.csv" | sort); then
    bad "$good $what and 3 broken files" "the others' predictions changed"
elif ! grep -q "error: .*3 .*skipped" "$dir/stderr"; then
    bad "$good $what and 3 broken files" "the error does not count them"
else
    ok "$good $what and 3 broken files: $rows predicted, status 3"
fi
rm -rf "$out" "$dir/mixed"

# ---- identifiers and labels

accepted "object ids beyond 2^53: csv" "${predict[@]}" "$bads/ids.safetensors" --out "$dir/ids.csv"
accepted "object ids beyond 2^53: fits" "${predict[@]}" "$bads/ids.safetensors" --out "$dir/ids.fits"
cmp -s <(tail -n +2 "$dir/ids.csv" | cut -d, -f1) "$bads/ids.txt" &&
    "$python" "$here/make_bad.py" same "$dir/ids.csv" "$dir/ids.fits" 2>"$dir/stderr" &&
    ok "object ids beyond 2^53 are exact" || bad "object ids beyond 2^53" "not exact"
if accepted "evaluate --truth by such ids" "$zmae" evaluate --pred "$dir/ids.fits" --truth \
    "$dir/ids.csv" --json; then
    grep -q '"joined_by_id": true' "$dir/stdout" || bad "evaluate --truth" "not joined by id"
fi
if accepted "labels.csv with quoted fields" "${predict[@]}" "$bads/quoted" --out "$dir/quoted.csv"; then
    found=$(tail -n +2 "$dir/quoted.csv" | cut -d, -f1,6 | tr '\n' ' ')
    [[ $found == "9007199254740993,0.25 9007199254740995, 9007199254740997,0.5 " ]] ||
        bad "labels.csv with quoted fields" "found $found"
fi

# ---- pipes and caches

"$zmae" info "$bads/many.safetensors" 2>"$dir/stderr" | head -1 >/dev/null
status=${PIPESTATUS[0]}
if [[ -s $dir/stderr ]]; then
    bad "info | head -1" "it talks"
elif ((status != 0 && status != 141)); then
    bad "info | head -1" "status $status"
else
    ok "info | head -1 is quiet"
fi
if "$zmae" devices 2>/dev/null | grep -q '^vulkan:0'; then
    export ASAN_OPTIONS=detect_leaks=0:$ASAN_OPTIONS # drivers keep what they allocate
    accepted "an unwritable XDG_CACHE_HOME" env XDG_CACHE_HOME=/proc/nowhere ZMAE_DEVICE=vulkan:0 \
        "${predict[@]/--quiet/--verbose}" "$data"
    grep -q "warning.*cache" "$dir/stderr" || bad "an unwritable XDG_CACHE_HOME" "no warning"
else
    skip "an unwritable XDG_CACHE_HOME" "no Vulkan driver"
fi

printf '%d cases passed, %d failed, %d skipped\n' $passed $failed $skipped
((failed == 0))
