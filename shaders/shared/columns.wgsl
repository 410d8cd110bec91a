// The kept weights of one layer by input (CSC): for each input feature or channel, the (output, ky, kx) it feeds, ascending.
// Twin: ColumnsShape in src/ops/sparse.rs.
struct ColumnsShape {
    inputs: u32,        // input features, or channels
    outputs: u32,
    kernel: u32,        // 1 for a linear layer
    weight_offset: u32, // of W[output][input][ky][kx] in the flat parameters
    mask_words: u32,    // per replica
    stride: u32,        // entries per replica
}

// An entry packs the output and the tap, so that unpacking takes no division: kernels are at most 32 wide.
fn entry_of(o: u32, ky: u32, kx: u32) -> u32 {
    return (o << 10u) | (ky << 5u) | kx;
}
