#!/usr/bin/env bash
# Every verb has a manual page that names its options and that man, groff and mandoc read
# without a complaint. Tools that are not installed are passed over.
#
#   tests/e2e/man_pages.sh [ZMAE]
set -euo pipefail
zmae=$(realpath "${1:-build/zmae}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

failed=0 checks=0
bad() {
    printf 'man_pages: %s\n' "$*" >&2
    failed=$((failed + 1))
}

# silent NAME COMMAND...: neither a failure nor a word
silent() {
    local name=$1 said
    shift
    said=$("$@" 2>&1) || said="$said exit status $?"
    [[ -z $said ]] || bad "$name: $said"
    checks=$((checks + 1))
}

has() { command -v "$1" >/dev/null; }
groff_check() { groff -ww -man -Tutf8 "$1" >/dev/null; }
man_check() { LC_ALL=C.UTF-8 MANPATH=$dir man --warnings -l -Tutf8 "$1" >/dev/null; }

check_page() {
    local page=$1
    ! has groff || silent "groff $page" groff_check "$dir/$page"
    # minimal systems put another program in the place of man
    ! man --version 2>/dev/null | grep -q '^man 2' || silent "man $page" man_check "$dir/$page"
    ! has mandoc || silent "mandoc $page" mandoc -Tlint "$dir/$page"
}

SOURCE_DATE_EPOCH=86400 "$zmae" man >"$dir/zmae.1"
grep -q '^\.TH ZMAE 1 "1970-01-02"' "$dir/zmae.1" || bad "SOURCE_DATE_EPOCH is not obeyed"
check_page zmae.1

mapfile -t verbs < <("$zmae" --help | sed -n '/^Verbs/,/^$/s/^  \([a-z]*\) .*/\1/p')
((${#verbs[@]} >= 10)) || bad "found only these verbs: ${verbs[*]}"
for verb in "${verbs[@]}"; do
    page=zmae-$verb.1
    "$zmae" man "$verb" >"$dir/$page" || bad "zmae man $verb failed"
    check_page "$page"
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS EXAMPLES '"EXIT STATUS"' ENVIRONMENT \
        FILES '"SEE ALSO"'; do
        grep -q "^\.SH $section" "$dir/$page" || bad "$page has no section $section"
    done
    plain=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$dir/$page")
    while read -r option; do
        grep -qe "$option" <<<"$plain" || bad "$page does not tell of $option"
        checks=$((checks + 1))
    done < <("$zmae" "$verb" --help | sed -n 's/^  *\(-., \)\?\(--[a-z-]*\).*/\2/p')
    [[ $("$zmae" help "$verb") == "$("$zmae" "$verb" --help)" ]] || bad "zmae help $verb differs"
done
# The bits of the flags column stand in the header, the manual and the README.
sources=$(dirname "${BASH_SOURCE[0]}")/../..
mapfile -t shifts < <(sed -n 's/.*ZM_FLAG_[A-Z_]* = 1u << \([0-9]*\),.*/\1/p' \
    "$sources/core/data/dataset.h")
((${#shifts[@]} > 0)) || bad "no flags in core/data/dataset.h"
for shift in "${shifts[@]}"; do
    bit=$((1 << shift))
    grep -qF "\fB$bit\fR" "$dir/zmae-predict.1" || bad "zmae-predict.1 leaves out flag $bit"
    grep -q "^| $bit |" "$sources/README.md" || bad "README.md leaves out flag $bit"
    checks=$((checks + 2))
done
! "$zmae" man nothing >/dev/null 2>&1 || bad "a page of a verb that does not exist"

printf '%d pages, %d checks, %d failed\n' $((${#verbs[@]} + 1)) $checks $failed
((failed == 0))
