// Counter-based random numbers: four words from four words, no state (pcg4d: Jarzynski and Olano 2020, "Hash Functions for
// GPU Rendering", JCGT 9(3)). Every use names (seed, stream, step, index), so a number never depends on what ran beside it.
// Streams keep uses apart; tests/reference/random.rs lists the same values.
const STREAM_INIT: u32 = 1u;
const STREAM_SPLIT: u32 = 2u;
const STREAM_SHUFFLE: u32 = 3u;
const STREAM_DROPOUT: u32 = 4u;
const STREAM_SELECT: u32 = 5u;
const STREAM_MASK: u32 = 6u;
const STREAM_AUGMENT: u32 = 7u;
const STREAM_GROW: u32 = 8u;

fn stream(kind: u32, layer: u32, ordinal: u32) -> u32 {
    return kind | (layer << 8u) | (ordinal << 20u);
}

fn pcg4d(key: vec4<u32>) -> vec4<u32> {
    var v = key * 1664525u + 1013904223u;
    v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
    return v;
}

// Where `position` goes in a pseudo-random permutation of 0..n: a six-round Feistel network on the smallest even number of
// bits that holds n, walked until it lands inside (fewer than 4 tries on average, as the domain is below 4 n; 192 fail once in 10^24).
fn permuted(n: u32, seed: u32, stream: u32, step: u32, position: u32) -> u32 {
    let half = max((33u - countLeadingZeros(max(n, 2u) - 1u)) / 2u, 1u);
    let low = (1u << half) - 1u;
    var x = position;
    for (var walk = 0u; walk < 192u; walk++) {
        var left = x >> half;
        var right = x & low;
        for (var round = 0u; round < 6u; round++) {
            // The upper half of the word: the lowest bits of pcg4d are uneven, which shows when a round uses few of them.
            let mixed = left ^ ((pcg4d(vec4<u32>(seed, stream, step, (round << 16u) | right)).x >> 16u) & low);
            left = right;
            right = mixed;
        }
        x = (left << half) | right;
        if x < n { break; }
    }
    return x;
}
