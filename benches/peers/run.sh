#!/usr/bin/env bash
#
# Compares Secateur's training speed with another engine's on one adapter.
#
#   benches/peers/run.sh [-p PEER] [-s] [-r ROUNDS] [-m MODEL] [-b BATCH] [-d DENSITY]... [-n REPLICAS] [-v VARIANT]
#                        [-t SECONDS]
#
#   -p PEER     the other engine: burn or torch (burn)
#   -s          the processor for both, whatever else is there: Vulkan's software adapter (lavapipe) for Secateur and
#               burn, PyTorch's CPU device; without it PyTorch needs an NVIDIA GPU
#   -r ROUNDS   runs of each engine, taken in turn (3)
#   -m MODEL    lenet-300-100, lenet-5, or with -p torch also mnist-cnn (lenet-300-100)
#   -b BATCH    samples in a step (128)
#   -d DENSITY  share of the weights that pruning keeps; give it again for another (1; with -p torch: 1 and 0.025)
#   -n REPLICAS networks that Secateur trains together, counted together; so does PyTorch unless its variant is eager,
#               which trains one network, as burn does (1)
#   -v VARIANT  how PyTorch runs: eager, compile, graph or vmap (eager)
#   -t SECONDS  how long each run times, after its warm-up (10)
#
# Programs are built in release mode first. Then they run in turn, one at a time, so that a machine that slows down does
# so for both. Each prints one line of JSON; the table at the end has every run, the medians and their ratios. Close other
# programs first: on the software adapter the processor is the adapter.
#
# Needs bash, awk, sed, sort, mktemp and cargo. burn's build takes many minutes the first time, and its warm-up a few in
# every run. SECATEUR_TRAINING names a built benchmark to run in place of building one. PyTorch is taken from
# benches/peers/torch/.venv if that is there, or else from python3; PYTHON names another interpreter.

set -euo pipefail

usage() {
    sed -n '3,/^$/{s/^# \{0,1\}//;s/^#$//;p}' "${BASH_SOURCE[0]}"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

peer=burn
rounds=3
model=lenet-300-100
batch=128
seconds=10
replicas=1
variant=
densities=()
software=
while getopts 'p:sr:m:b:d:n:v:t:h' option; do
    case $option in
    p) peer=$OPTARG ;;
    s) software=yes ;;
    r) rounds=$OPTARG ;;
    m) model=$OPTARG ;;
    b) batch=$OPTARG ;;
    d) densities+=("$OPTARG") ;;
    n) replicas=$OPTARG ;;
    v) variant=$OPTARG ;;
    t) seconds=$OPTARG ;;
    h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
shift $((OPTIND - 1))
if [[ $# -gt 0 || ! $rounds =~ ^[1-9][0-9]*$ ]]; then
    usage >&2
    exit 2
fi
case $peer in
burn)
    peer_name=burn
    [[ -z $variant ]] || fail "-v chooses how PyTorch runs; add -p torch"
    [[ ${#densities[@]} -gt 0 ]] || densities=(1)
    ;;
torch)
    peer_name=PyTorch
    variant=${variant:-eager}
    [[ ${#densities[@]} -gt 0 ]] || densities=(1 0.025)
    ;;
*) fail "no peer $peer; -p takes burn or torch" ;;
esac
for density in "${densities[@]}"; do
    [[ $density =~ ^(1|0?\.[0-9]*[1-9][0-9]*)$ ]] || fail "-d takes 1 or a fraction such as 0.025, not $density"
    [[ $peer != burn || $density == 1 ]] || fail "burn prunes nothing here; leave out -d, or add -p torch"
done
peer_replicas=1
if [[ $peer == torch && $variant != eager ]]; then peer_replicas=$replicas; fi

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$peers/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

peer_options=(--model "$model" --batch "$batch" --seconds "$seconds")
if [[ $software ]]; then
    driver=${VK_DRIVER_FILES:-}
    for folder in "${XDG_DATA_HOME:-$HOME/.local/share}" /etc /usr/local/share /usr/share; do
        for file in "$folder"/vulkan/icd.d/lvp_icd*.json; do
            if [[ -z $driver && -e $file ]]; then driver=$file; fi
        done
    done
    [[ $driver ]] || fail "no lavapipe here; on Debian or Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1"
    # The first name is for current Vulkan loaders, the second for older ones.
    export VK_DRIVER_FILES=$driver VK_ICD_FILENAMES=$driver
    export SECATEUR_ADAPTER=llvmpipe
fi

if [[ $peer == torch ]]; then
    python=$peers/torch/.venv/bin/python
    [[ -x $python ]] || python=python3
    python=${PYTHON:-$python}
    # A path must hold from any folder.
    if [[ $python == */* ]]; then python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python"); fi
    "$python" -c 'import torch' || fail "no PyTorch for $python; benches/peers/README.md says how to install it"
    device=cpu
    if [[ -z $software ]]; then
        device=cuda
        "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
            fail "PyTorch finds no CUDA device; add -s to compare on the processor"
    fi
    peer_command=("$python" "$peers/torch/train.py")
    peer_options+=(--device "$device" --variant "$variant" --replicas "$peer_replicas")
elif [[ $software ]]; then
    peer_options+=(--software)
fi

training=${SECATEUR_TRAINING:-}
if [[ -z $training || $peer == burn ]]; then echo "Building (release mode) ..." >&2; fi
if [[ -z $training ]]; then
    training=$(
        cd "$root" &&
            cargo build --release --bench training --quiet --message-format=json-render-diagnostics |
            sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
    )
fi
[[ -x $training ]] || fail "no program at ${training:-the place where cargo leaves benchmarks}"
if [[ $peer == burn ]]; then
    # burn tunes its kernels in the warm-up. Left to itself it also stores what it found and trusts that in later runs, so
    # one run on a busy machine could slow down all that follow. Here it stores nothing, and every run tunes for itself.
    export CUBECL_AUTOTUNE_CACHE=0 CUBECL_THROUGHPUT_CACHE=0 CUBECL_ENVIRONMENT_RECORDS=off
    program=$(
        cd "$peers/burn" &&
            cargo build --release --locked --quiet --message-format=json-render-diagnostics |
            sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
    )
    [[ -x $program ]] || fail "cargo did not say where it left burn's program"
    peer_command=("$program")
fi

# The last line of standard output that looks like one JSON object.
json_line() {
    awk '/^[[:space:]]*\{.*\}[[:space:]]*$/ { line = $0 } END { if (line != "") print line }'
}

# field NAME: the value of that key in the JSON line on standard input (flat, no escaped quotes), without its quotes.
field() {
    awk -v name="$1" '{
        if (!match($0, "\"" name "\"[ \t]*:[ \t]*")) exit
        rest = substr($0, RSTART + RLENGTH)
        if (match(rest, /^"[^"]*"/)) print substr(rest, 2, RLENGTH - 2)
        else if (match(rest, /^[^, \t}]+/)) print substr(rest, 1, RLENGTH)
    }'
}

# record NAME DENSITY LINE: keeps one run's line, after checking that it measured what was asked.
record() {
    [[ $3 ]] || fail "$1 printed no JSON line; its messages are above"
    local rate density
    rate=$(field samples_per_second <<<"$3")
    [[ $rate =~ ^[0-9] ]] || fail "$1 printed no samples_per_second: $3"
    [[ $(field model <<<"$3") == "$model" ]] || fail "$1 measured another model: $3"
    [[ $(field batch <<<"$3") == "$batch" ]] || fail "$1 measured another batch: $3"
    # burn knows no other density than 1 and names none. One that is given may differ from what was asked by rounding.
    density=$(field density <<<"$3")
    awk -v asked="$2" -v measured="${density:-1}" 'BEGIN { d = asked - measured; if (d < 0) d = -d; exit !(d <= asked / 100) }' ||
        fail "$1 measured another density: $3"
    printf '%s\n' "$rate" >>"$work/$1.$2.rates"
    printf '%s\n' "$3" >>"$work/$1.$2.lines"
    printf '  %s, density %s: %s samples/s\n' "$1" "$2" "$rate" >&2
}

# ours DENSITY
ours() {
    "$training" --json --model "$model" --batch "$batch" --replicas "$replicas" --seconds "$seconds" --density "$1"
}

# theirs DENSITY, from the scratch folder, so that no configuration file lying about changes what is measured.
theirs() {
    local options=("${peer_options[@]}")
    if [[ $peer == torch ]]; then options+=(--density "$1"); fi
    cd "$work" && "${peer_command[@]}" "${options[@]}"
}

for ((round = 1; round <= rounds; round++)); do
    echo "Round $round of $rounds" >&2
    for density in "${densities[@]}"; do
        line=$(ours "$density" | json_line) || fail "Secateur's benchmark failed"
        record secateur "$density" "$line"
        line=$(theirs "$density" | json_line) || fail "$peer_name's benchmark failed"
        record "$peer" "$density" "$line"
    done
done

adapter_ours=$(tail -n 1 "$work/secateur.${densities[0]}.lines" | field adapter)
adapter_theirs=$(tail -n 1 "$work/$peer.${densities[0]}.lines" | field adapter)

median() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { h = int((NR + 1) / 2); print NR % 2 ? v[h] : (v[h] + v[h + 1]) / 2 }'
}

# row NAME DENSITY: that engine's runs and their median, with tabs in between.
row() {
    local last variant
    last=$(tail -n 1 "$work/$1.$2.lines")
    variant=$(field variant <<<"$last")
    printf '%s\t%s' "$(field engine <<<"$last")${variant:+, $variant}" "$2"
    while read -r rate; do printf '\t%.0f' "$rate"; done <"$work/$1.$2.rates"
    printf '\t%.0f\n' "$(median "$work/$1.$2.rates")"
}

echo
echo "Training $model, batch $batch, samples per second"
echo "Networks trained together: Secateur $replicas, $peer_name $peer_replicas"
echo "Secateur's adapter: $adapter_ours"
echo "$peer_name's adapter: $adapter_theirs"
echo
{
    printf 'engine\tdensity'
    for ((round = 1; round <= rounds; round++)); do printf '\trun %d' "$round"; done
    printf '\tmedian\n'
    for density in "${densities[@]}"; do
        row secateur "$density"
        row "$peer" "$density"
    done
} | awk -F '\t' '
    { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } columns = NF }
    END {
        for (row = 1; row <= NR; row++) {
            line = sprintf("%-" width[1] "s", cell[row, 1])
            for (i = 2; i <= columns; i++) line = line sprintf("  %" width[i] "s", cell[row, i])
            print line
        }
    }'
echo
# On the processor PyTorch names that, and Secateur the software adapter.
if [[ $adapter_ours != "$adapter_theirs" && ! ($peer == torch && $software) ]]; then
    fail "No ratio: the two did not run on the same adapter. Name one with SECATEUR_ADAPTER, and for burn with CUBECL_WGPU_DEFAULT_DEVICE."
fi
for density in "${densities[@]}"; do
    awk -v ours="$(median "$work/secateur.$density.rates")" -v theirs="$(median "$work/$peer.$density.rates")" \
        -v name="$peer_name" -v density="$density" \
        'BEGIN { printf "ratio of medians, Secateur / %s, density %s: %.2f\n", name, density, ours / theirs }'
done
