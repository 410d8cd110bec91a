#!/usr/bin/env bash
#
# Checks and times Secateur on a machine with a hardware GPU, which need not have Rust or a network.
#
#   benches/hardware.sh pack FOLDER    here: builds, and gathers all that the other machine needs into FOLDER
#   FOLDER/hardware.sh run RESULTS     there: runs everything in about four minutes, and leaves a log of each part and
#                                      the reports as JSON in RESULTS; it ends with the summary
#   hardware.sh summary RESULTS        anywhere: each goal of this project on hardware, with the figure that such a run
#                                      left, and whether it is met
#
# What runs: the kernel tests and the contracts against the CPU twins; `secateur bench` (ceilings, kernels, densities,
# replicas, a 4096 x 4096 product, top-k of 25.6 million); a run of experiments/quickstart.toml; and, where python3 has
# PyTorch with CUDA, the comparisons of benches/peers/run.sh: 64 networks of LeNet-300-100 beside one by one, beside
# CUDA graphs and beside a vmap ensemble, and one mnist-cnn. A part that fails does not stop the others; the last line
# says which did. SECATEUR_ADAPTER chooses the GPU.

set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    sed -n '3,/^$/{s/^# \{0,1\}//;s/^#$//;p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# built KIND NAME: builds that target (bin, bench or test), and prints where its program is. Cargo names the programs that
# the target needs besides it, in no fixed order.
built() {
    cargo build --release --message-format=json-render-diagnostics "--$1" "$2" |
        sed -n "/\"kind\":\[\"$1\"\]/s/.*\"executable\":\"\([^\"]*\)\".*/\1/p"
}

pack() {
    set -e
    local folder=$1 program
    mkdir -p "$folder/peers/torch" "$folder/tests"
    folder=$(cd "$folder" && pwd)
    cd "$here/.."
    program=$(built bin secateur)
    cp "$program" "$folder/secateur"
    program=$(built bench training)
    cp "$program" "$folder/training"
    for test in kernels contracts; do
        program=$(built test "$test")
        cp "$program" "$folder/tests/$test"
    done
    strip "$folder"/secateur "$folder"/training "$folder"/tests/*
    cp benches/hardware.sh experiments/quickstart.toml "$folder/"
    cp benches/peers/run.sh "$folder/peers/"
    cp benches/peers/torch/train.py "$folder/peers/torch/"
    du -sh "$folder"
}

failed=()

# part NAME COMMAND...: runs it, and keeps what it says in RESULTS/NAME.log.
part() {
    local name=$1 begun=$SECONDS
    shift
    printf '\n==> %s\n' "$name"
    "$@" 2>&1 | tee "$results/$name.log" || failed+=("$name")
    printf '==> %s took %d s\n' "$name" $((SECONDS - begun))
}

bench() {
    local model=$1
    shift
    "$here/secateur" bench --model "$model" --json "$@" >"$results/bench-$model.json" && tail -n 60 "$results/bench-$model.json"
}

# flat FILE: each value of a JSON file that is written one value a line, as PATH=VALUE, with numbers for places in lists.
flat() {
    [[ -s $1 ]] && awk '
        {
            sub(/^[ \t]+/, "")
            sub(/,$/, "")
        }
        /^[]}]$/ { depth--; next }
        {
            if (match($0, /^"[^"]*": /)) {
                key = substr($0, 2, RLENGTH - 4)
                $0 = substr($0, RLENGTH + 1)
            } else key = place[depth]++
            if (/^[[{]$/) {
                path[depth + 1] = depth ? path[depth] key "." : ""
                place[++depth] = 0
            } else print path[depth] key "=" $0
        }' "$1"
}

# value FILE PATH: that value of a report; nothing where there is none.
value() {
    flat "$1" | awk -v path="$2" 'index($0, path "=") == 1 { print substr($0, length(path) + 2) }'
}

# of_step FILE REPLICAS PATH: that value of the whole step of so many replicas at density 1.
of_step() {
    flat "$1" | awk -v count="$2" -v path="$3" -F = '
        { value[$1] = $2 }
        $1 ~ /^steps\.[0-9]+\.densities\.[0-9]+\.density$/ && $2 == 1 { rows[$1] }
        END {
            for (row in rows) {
                split(row, part, ".")
                sub(/density$/, "", row)
                if (value["steps." part[2] ".replicas"] == count) print value[row path]
            }
        }'
}

# best_product FILE SIZE: the largest share of the ceiling that a variant reached in the product of that size.
best_product() {
    flat "$1" | awk -v size="$2" -F = '
        { value[$1] = $2 }
        $1 ~ /^product\.[0-9]+\.size$/ && $2 == size { rows[$1] }
        END {
            for (row in rows) {
                sub(/size$/, "share_of_ceiling", row)
                if (value[row] > best) best = value[row]
            }
            if (best) print best
        }'
}

# ratio FILE: how many times as fast as PyTorch at density 1 a log of benches/peers/run.sh says Secateur is.
ratio() {
    [[ -s $1 ]] && sed -n 's/^ratio of medians, .*, density 1: \([0-9.]*\)$/\1/p' "$1"
}

# by A B: A / B, or nothing where one is missing.
by() {
    [[ $1 && $2 ]] && awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / b }'
}

# goal NAME FIGURE WANTED UNIT WHY: one line of the summary. FIGURE is a number, or nothing where it was not measured, and then
# WHY says why not.
goal() {
    local verdict figure="$2 $4"
    if [[ -z $2 ]]; then
        verdict="not measured: $5"
        figure=-
    elif awk -v figure="$2" -v wanted="$3" 'BEGIN { exit !(figure >= wanted) }'; then
        verdict=met
    else
        verdict='not met'
    fi
    printf '%-62s  %-12s  %-8s  %s\n' "$1" "$figure" "$3 $4" "$verdict"
}

# tests NAME: the line of the summary on a test program.
tests() {
    local log=$results/$1.log said passed failed
    said=$(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/p' "$log" 2>/dev/null | tail -n 1)
    read -r passed failed <<<"$said"
    if [[ -z $said ]]; then
        printf '%-62s  %-12s  %-8s  %s\n' "${1%s} tests" - 'all pass' "not measured: $1.log says no result"
    elif [[ $failed -eq 0 && $passed -gt 0 ]]; then
        printf '%-62s  %-12s  %-8s  %s\n' "${1%s} tests" "$passed passed" 'all pass' met
    else
        printf '%-62s  %-12s  %-8s  %s\n' "${1%s} tests" "$failed failed" 'all pass' 'not met'
    fi
}

percent() {
    [[ $1 ]] && awk -v share="$1" 'BEGIN { printf "%.1f", 100 * share }'
}

# why LOG: why a comparison has no ratio.
why() {
    if [[ -e $results/$1 ]]; then echo "$1 has no ratio"; else echo "no $1, which takes PyTorch with CUDA"; fi
}

summary() {
    local mlp=$results/bench-lenet-300-100.json said rate limit name
    name=$(value "$mlp" adapter.name)
    printf '\nGoals on hardware, %s\n\n' "${name:-of an adapter that no report names}"
    printf '%-62s  %-12s  %-8s  %s\n' goal figure wanted verdict
    tests kernels
    tests contracts
    rate=$(of_step "$mlp" 64 samples_per_second)
    limit=$(value "$mlp" eager.samples_per_second)
    said=$(why eager.log)
    if [[ $rate && $limit ]]; then said+="; $(by "$rate" "$limit") x the most that eager can reach by its launches"; fi
    goal '64 lenet-300-100 together, beside PyTorch eager one by one' "$(ratio "$results/eager.log")" 20 x "$said"
    said=$(of_step "$mlp" 64 roofline.share_of_roofline)
    goal '64 lenet-300-100 together, of the roofline' "$(percent "$said")" 50 % 'bench-lenet-300-100.json has no such step'
    said=$(best_product "$mlp" 4096)
    goal 'product of 4096 x 4096, of the multiply-add ceiling' "$(percent "$said")" 60 % 'bench-lenet-300-100.json has no such product'
    goal 'one mnist-cnn, beside PyTorch eager in 32-bit floats' "$(ratio "$results/cnn.log")" 1 x "$(why cnn.log)"
    printf '\nOne of the two about 64 networks is enough: where memory is slow, no program can be 20 times as fast.\n'
    said=$(value "$mlp" disturbed)
    if [[ $said && $said != null ]]; then printf 'disturbed: %s\n' "$said"; fi
    said=$(of_step "$mlp" 64 disturbed)
    if [[ $said && $said != null ]]; then printf 'disturbed, the step of 64: %s\n' "$said"; fi
}

run() {
    mkdir -p "$1"
    results=$(cd "$1" && pwd)
    # Test programs find nothing of the source tree here; the test that reads it is left out.
    cd "$results" || exit 1
    part adapters "$here/secateur" adapters
    for test in "$here"/tests/*; do
        SECATEUR_TUNE=off part "$(basename "$test")" "$test" --skip every_kernel_has_a_twin_and_a_test
    done
    part bench-mlp bench lenet-300-100 --seconds 0.5
    part bench-cnn bench mnist-cnn --seconds 0.5 --replicas 1,8 --densities 1,0.1,0.025 --batch 64
    part quickstart "$here/secateur" run "$here/quickstart.toml" --out "$results/quickstart"
    if python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
        export SECATEUR_TRAINING=$here/training
        local peers=("$here/peers/run.sh" -p torch -r 1 -t 5)
        part eager "${peers[@]}" -n 64
        part vmap "${peers[@]}" -n 64 -v vmap
        part graph "${peers[@]}" -n 1 -v graph -d 1
        part compile "${peers[@]}" -n 1 -v compile -d 1
        part cnn "${peers[@]}" -m mnist-cnn -b 64 -d 1
    else
        echo "python3 has no PyTorch with CUDA here: nothing to compare with"
    fi
    summary
    printf '\nfailed: %s\n' "${failed[*]:-nothing}"
    [[ ${#failed[@]} -eq 0 ]]
}

[[ $# -eq 2 ]] || usage
case $1 in
pack) pack "$2" ;;
run) run "$2" ;;
summary)
    results=$2
    [[ -d $results ]] || {
        echo "no folder $results; name the one that hardware.sh run left" >&2
        exit 2
    }
    summary
    ;;
*) usage ;;
esac
