// Scores become sort keys: larger score, larger unsigned key; 0 is kept for weights that may not be selected.
struct ScoreShape {
    offset: u32,       // of the tensor in the flat parameters
    count: u32,
    param_stride: u32, // floats per replica
    mask_words: u32,   // per replica
    tensor: u32,
    revive: u32,       // 1: every weight may be selected; 0: only those the mask keeps
}
