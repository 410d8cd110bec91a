// Exact top-k by radix select on the pair (key, inverted index), 8 bits a round, 4 rounds on each: ties go to the lower index.
// Rounds end early where the keys that match the decided bits are as many as are to be selected. A rank of 0 ends above every key; keys stay
// below 0xffffffff, so that there is such a threshold.
// A group is the set over which weights compete. Blocks of at most 8192 keys never straddle groups.
struct SelectShape {
    blocks: u32,
    groups: u32,       // per replica
    score_stride: u32, // keys per replica
    mask_words: u32,   // per replica
    base: u32,         // index of the first key of this part
}
struct Threshold {
    key: u32,   // bits decided so far of the smallest selected key
    index: u32, // likewise of its inverted index
    rank: u32,  // how many to select among the keys that match so far
    round: u32, // 0..8; DECIDED: no bits are left to find
}
const DECIDED: u32 = 8u;
const BLOCK: u32 = 8192u;
