#!/usr/bin/env bash
# The completion scripts offer verbs, options, choices and files. bash is driven by what it
# hands to a completion function, fish by complete -C, zsh at a terminal of its own.
#
#   tests/e2e/completion.sh [ZMAE]
set -uo pipefail
zmae=$(realpath "${1:-build/zmae}") || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

passed=0 failed=0
# same NAME FOUND EXPECTED: lists of words in any order
same() {
    local found expected
    found=$(printf '%s\n' $2 | sort | tr '\n' ' ')
    expected=$(printf '%s\n' $3 | sort | tr '\n' ' ')
    if [[ $found == "$expected" ]]; then
        passed=$((passed + 1))
    else
        printf 'completion: %s: expected %s, found %s\n' "$1" "$expected" "$found" >&2
        failed=$((failed + 1))
    fi
}

for shell in bash zsh fish; do
    "$zmae" completion "$shell" >"$dir/$shell" || same "zmae completion $shell" "status $?" 0
done
"$zmae" completion tcsh >/dev/null 2>&1
same "an unknown shell" $? 2
all=$("$zmae" --help | sed -n '/^Verbs/,/^$/s/^  \([a-z]*\) .*/\1/p')

mkdir "$dir/work" "$dir/work/folder"
touch "$dir/work/sky.fits" "$dir/work/a b.csv"
cd "$dir/work" || exit 1

# ---- bash
# shellcheck disable=SC1091
source "$dir/bash" || failed=$((failed + 1))
# offered WORD...: what stands before the cursor, the last word being completed
offered() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _zmae
    printf '%s\n' "${COMPREPLY[@]}"
}
same "bash: verbs" "$(offered zmae '')" "$all help --help --version"
same "bash: a verb" "$(offered zmae sim)" simulate
same "bash: help" "$(offered zmae help pred)" predict
same "bash: man" "$(offered zmae man re)" reconstruct
same "bash: options" "$(offered zmae predict --m)" --model
same "bash: all options" "$(offered zmae predict '')" \
    "$("$zmae" predict --help | sed -n 's/^  *\(-., \)\?\(--[a-z-]*\).*/\2/p')"
same "bash: choices" "$(offered zmae pretrain --schedule c)" "constant cosine cyclic"
same "bash: choices behind =" "$(offered zmae pretrain --schedule = '')" \
    "constant cosine cyclic"
same "bash: choices at =" "$(offered zmae pretrain --schedule =)" "constant cosine cyclic"
same "bash: a device" "$(offered zmae predict --device v)" vulkan
same "bash: an argument that is a choice" "$(offered zmae completion '')" "bash zsh fish"
same "bash: files" "$(offered zmae predict --data s)" sky.fits
same "bash: a name with a space is one" "$(offered zmae predict --data a | wc -l)" 1
same "bash: a file as argument" "$(offered zmae info s)" sky.fits
same "bash: an option before it" "$(offered zmae info --j)" --json
same "bash: folders" "$(offered zmae evaluate --plots '')" folder
same "bash: numbers are not guessed" "$(offered zmae predict --batch '')" ""
same "bash: an unknown verb" "$(offered zmae nothing '')" ""
mapfile -t presets < <("$zmae" pretrain --help | sed -n '/^Presets:/,$s/^  \([^ ]*\) .*/\1/p')
((${#presets[@]} == 0)) ||
    same "bash: presets" "$(offered zmae pretrain --preset '')" "${presets[*]}"

# ---- fish
if command -v fish >/dev/null; then
    export HOME=$dir XDG_CONFIG_HOME=$dir XDG_DATA_HOME=$dir
    fish_offers() { fish --no-config -c "source $dir/fish; complete -C '$1'" | cut -f 1; }
    same "fish: verbs" "$(fish_offers 'zmae ')" "$all help"
    same "fish: help" "$(fish_offers 'zmae help pred')" predict
    same "fish: an option" "$(fish_offers 'zmae predict --mod')" "--model"
    same "fish: choices" "$(fish_offers 'zmae pretrain --schedule c')" "constant cosine cyclic"
    same "fish: files" "$(fish_offers 'zmae predict --data s')" sky.fits
    same "fish: a file as argument" "$(fish_offers 'zmae info s')" sky.fits
    same "fish: folders" "$(fish_offers 'zmae evaluate --plots ')" folder/
    same "fish: numbers are not guessed" "$(fish_offers 'zmae predict --batch ')" ""
else
    echo "fish is not installed: not tried"
fi

# ---- zsh
if command -v zsh >/dev/null; then
    cat >"$dir/drive" <<'ZSH'
# drive SCRIPT TYPED PATTERN: whether what is shown after a TAB matches
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; autoload -U compinit; compinit -u -D; source $1; zmae() { :; }; print REA''DY"
zpty -r shell shown '*READY*'
zpty -n -w shell "$2"$'\t'$'\t'
zpty -r shell shown "*$3*" || exit 1
ZSH
    zsh_shows() {
        timeout 20 zsh -f "$dir/drive" "$dir/zsh" "$1" "$2" >/dev/null 2>&1
        same "zsh: \"$1\" and TAB show $2" $? 0
    }
    zsh_shows 'zmae sim' 'simulate'
    zsh_shows 'zmae predict --mod' '--model'
    zsh_shows 'zmae pretrain --schedule=co' 'constant*cosine'
    zsh_shows 'zmae info sk' 'sky.fits'
    zsh_shows 'zmae completion z' 'zsh'
    zsh_shows 'zmae evaluate --plots ' 'folder'
else
    echo "zsh is not installed: not tried"
fi

printf '%d cases passed, %d failed\n' $passed $failed
((failed == 0))
