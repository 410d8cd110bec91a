// Kept weights before flat index `at` of replica r: how sparse kernels find where a row of weights starts and ends in the list
// of kept flat indices. ranks[w] counts those before mask word w. Needs the bindings masks and ranks.
fn rank_of(r: u32, at: u32, mask_words: u32) -> u32 {
    let word = at / 32u;
    let before = masks[r * mask_words + word] & ((1u << (at % 32u)) - 1u);
    return ranks[r * (mask_words + 1u) + word] + countOneBits(before);
}
