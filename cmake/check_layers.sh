#!/bin/sh
# Fails when a file includes upwards. The order, lowest first:
#   base, cpus, rng < gpu < io < plot, tensor, tape < ops < data < sky, survey < nn <
#   train < cli
# and io knows nothing of devices. Backends see core only up to gpu;
# core sees backends nowhere but in core/gpu_devices.c, through core/gpu_impl.h. A backend
# may also write files (a pipeline cache) through core/io/bytes.h.
cd "$(dirname "$0")/.." || exit 2

find core backends -name '*.[ch]' | sort | xargs awk '
function layer(path)
{
    if (path ~ /^core\/(base|cpus|rng|kernel_structs)\.[ch]$/) return 1
    if (path ~ /^shaders\//) return 1
    if (path ~ /^core\/gpu[a-z_]*\.[ch]$/) return 2
    if (path ~ /^backends\//) return 3
    if (path ~ /^core\/io\//) return 3
    if (path ~ /^core\/(tensor|tape)[a-z_]*\.[ch]$/) return 4
    if (path ~ /^core\/ops\//) return 5
    if (path ~ /^core\/plot\//) return 4
    if (path ~ /^core\/data\//) return 6
    if (path ~ /^core\/(sky|survey)\//) return 7
    if (path ~ /^core\/nn\//) return 8
    if (path ~ /^core\/train\//) return 9
    if (path ~ /^core\/cli\//) return 10
    return 0
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    to = part[2]
    if (to !~ /\//) {  # beside the including file, or generated
        folder = FILENAME
        sub(/[^\/]*$/, "", folder)
        to = folder to
    }
    if (layer(FILENAME) == 0 || layer(to) == 0) {
        printf "%s:%d: \"%s\" has no place in the order of layers\n", FILENAME, FNR, to
        bad = 1
    } else if (layer(to) > layer(FILENAME)) {
        printf "%s:%d: includes upwards: \"%s\"\n", FILENAME, FNR, to
        bad = 1
    } else if (to ~ /^backends\// && FILENAME !~ /^backends\//) {
        printf "%s:%d: core includes a backend: \"%s\"\n", FILENAME, FNR, to
        bad = 1
    } else if (FILENAME ~ /^backends\// && to ~ /^core\/io\// &&
               to != "core/io/bytes.h") {
        printf "%s:%d: a backend includes \"%s\"\n", FILENAME, FNR, to
        bad = 1
    } else if (FILENAME ~ /^core\/io\// && to ~ /^(core\/gpu|shaders|backends)/) {
        printf "%s:%d: files know nothing of devices: \"%s\"\n", FILENAME, FNR, to
        bad = 1
    }
}
END { exit bad }'
