#!/usr/bin/env bash
#
# Checks and times Secateur on a machine with a hardware GPU, which need not have Rust or a network.
#
#   benches/hardware.sh pack FOLDER    here: builds, and gathers all that the other machine needs into FOLDER
#   FOLDER/hardware.sh run RESULTS     there: runs everything in about four minutes, and leaves a log of each part and
#                                      the reports as JSON in RESULTS
#
# What runs: the kernel tests and the contracts against the CPU twins; `secateur bench` (ceilings, kernels, densities,
# replicas, a 4096 x 4096 product, top-k of 25.6 million); a run of experiments/quickstart.toml; and, where python3 has
# PyTorch with CUDA, the comparisons of benches/peers/run.sh: 64 networks of LeNet-300-100 beside one by one, beside
# CUDA graphs and beside a vmap ensemble, and one mnist-cnn. A part that fails does not stop the others; the last lines
# say which did. SECATEUR_ADAPTER chooses the GPU.

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
    printf '\nfailed: %s\n' "${failed[*]:-nothing}"
    [[ ${#failed[@]} -eq 0 ]]
}

[[ $# -eq 2 ]] || usage
case $1 in
pack) pack "$2" ;;
run) run "$2" ;;
*) usage ;;
esac
