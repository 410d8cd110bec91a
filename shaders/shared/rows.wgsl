// A tensor whose rows, one per output, compete each within itself. Twin: RowsShape in src/prune/rows.rs.
struct RowsShape {
    offset: u32,       // of the tensor, in keys
    count: u32,        // keys of the tensor
    row: u32,          // keys of a row
    score_stride: u32, // keys per replica
    mask_words: u32,   // per replica
    first: u32,        // of its rows among those of all tensors
    rows: u32,         // of all tensors, per replica
}
