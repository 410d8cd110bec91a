#!/usr/bin/env bash
#
# Compares Secateur's training speed with another engine's on one adapter.
#
#   benches/peers/run.sh [-s] [-r ROUNDS] [-m MODEL] [-b BATCH] [-n REPLICAS] [-t SECONDS]
#
#   -s          use Vulkan's software adapter (lavapipe) for both, whatever else is there
#   -r ROUNDS   runs of each engine, taken in turn (3)
#   -m MODEL    lenet-300-100 or lenet-5 (lenet-300-100)
#   -b BATCH    samples in a step (128)
#   -n REPLICAS replicas that Secateur trains together, counted together; burn trains one network (1)
#   -t SECONDS  how long each run times, after its warm-up (10)
#
# Both programs are built in release mode first. Then they run in turn, one at a time, so that a machine that slows down
# does so for both. Each prints one line of JSON; the table at the end has every run, both medians and their ratio.
# Close other programs first: on the software adapter the processor is the adapter.
#
# Needs bash, awk, sed, sort, mktemp and cargo. The other engine's build takes many minutes the first
# time, and its warm-up a few in every run.

set -euo pipefail

usage() {
    sed -n '3,/^$/{s/^# \{0,1\}//;s/^#$//;p}' "${BASH_SOURCE[0]}"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

rounds=3
model=lenet-300-100
batch=128
seconds=10
replicas=1
software=
while getopts 'sr:m:b:n:t:h' option; do
    case $option in
    s) software=yes ;;
    r) rounds=$OPTARG ;;
    m) model=$OPTARG ;;
    b) batch=$OPTARG ;;
    n) replicas=$OPTARG ;;
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

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$peers/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

peer_options=()
if [[ $software ]]; then
    driver=
    for folder in "${XDG_DATA_HOME:-$HOME/.local/share}" /etc /usr/local/share /usr/share; do
        for file in "$folder"/vulkan/icd.d/lvp_icd*.json; do
            if [[ -z $driver && -e $file ]]; then driver=$file; fi
        done
    done
    [[ $driver ]] || fail "no lavapipe here; on Debian or Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1"
    # The first name is for current Vulkan loaders, the second for older ones.
    export VK_DRIVER_FILES=$driver VK_ICD_FILENAMES=$driver
    export SECATEUR_ADAPTER=llvmpipe
    peer_options+=(--software)
fi

# burn tunes its kernels in the warm-up. Left to itself it also stores what it found and trusts that in later runs, so one
# run on a busy machine could slow down all that follow. Here it stores nothing, and every run tunes for itself.
export CUBECL_AUTOTUNE_CACHE=0 CUBECL_THROUGHPUT_CACHE=0 CUBECL_ENVIRONMENT_RECORDS=off

echo "Building (release mode) ..." >&2
(cd "$root" && cargo build --release --bench training --quiet)
peer=$(
    cd "$peers/burn" &&
        cargo build --release --locked --quiet --message-format=json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
)
[[ -x $peer ]] || fail "cargo did not say where it left burn's program"

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

# record NAME LINE: keeps one run's line, after checking that it measured what was asked.
record() {
    [[ $2 ]] || fail "$1 printed no JSON line; its messages are above"
    local rate
    rate=$(field samples_per_second <<<"$2")
    [[ $rate =~ ^[0-9] ]] || fail "$1 printed no samples_per_second: $2"
    [[ $(field model <<<"$2") == "$model" ]] || fail "$1 measured another model: $2"
    [[ $(field batch <<<"$2") == "$batch" ]] || fail "$1 measured another batch: $2"
    printf '%s\n' "$rate" >>"$work/$1.rates"
    printf '%s\n' "$2" >>"$work/$1.lines"
    printf '  %s: %s samples/s\n' "$1" "$rate" >&2
}

ours() {
    cd "$root" && cargo bench --quiet --bench training -- --json --model "$model" --batch "$batch" --replicas "$replicas" --seconds "$seconds"
}

# From the scratch folder, so that no configuration file lying about changes what is measured.
theirs() {
    cd "$work" && "$peer" --model "$model" --batch "$batch" --seconds "$seconds" "${peer_options[@]+"${peer_options[@]}"}"
}

for ((round = 1; round <= rounds; round++)); do
    echo "Round $round of $rounds" >&2
    line=$(ours | json_line) || fail "Secateur's benchmark failed"
    record secateur "$line"
    line=$(theirs | json_line) || fail "burn's benchmark failed"
    record burn "$line"
done

adapter_ours=$(tail -n 1 "$work/secateur.lines" | field adapter)
adapter_theirs=$(tail -n 1 "$work/burn.lines" | field adapter)

median() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { h = int((NR + 1) / 2); print NR % 2 ? v[h] : (v[h] + v[h + 1]) / 2 }'
}
median_ours=$(median "$work/secateur.rates")
median_theirs=$(median "$work/burn.rates")

engine_ours=$(tail -n 1 "$work/secateur.lines" | field engine)
engine_theirs=$(tail -n 1 "$work/burn.lines" | field engine)

echo
echo "Training $model, batch $batch, samples per second (Secateur: $replicas replicas together)"
echo "Adapter: $adapter_theirs"
if [[ $adapter_ours != "$adapter_theirs" ]]; then
    echo "Secateur ran on another adapter: $adapter_ours"
fi
echo
{
    printf 'engine'
    for ((round = 1; round <= rounds; round++)); do printf '\trun %d' "$round"; done
    printf '\tmedian\n'
    printf '%s' "$engine_ours"
    while read -r rate; do printf '\t%.0f' "$rate"; done <"$work/secateur.rates"
    printf '\t%.0f\n' "$median_ours"
    printf '%s' "$engine_theirs"
    while read -r rate; do printf '\t%.0f' "$rate"; done <"$work/burn.rates"
    printf '\t%.0f\n' "$median_theirs"
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
if [[ $adapter_ours != "$adapter_theirs" ]]; then
    fail "No ratio: the two did not run on the same adapter. Name one with SECATEUR_ADAPTER and CUBECL_WGPU_DEFAULT_DEVICE."
fi
awk -v ours="$median_ours" -v theirs="$median_theirs" 'BEGIN { printf "ratio of medians, Secateur / burn: %.2f\n", ours / theirs }'
