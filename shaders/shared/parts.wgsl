// Sums of many terms in parts of u.part of them: a part's sum starts at 0, the first one's at the bias, terms ascending; the parts are added
// ascending, where Y stands. See `DenseShape::part_for` in src/ops/linear.rs.

// Adds the part that begins at term `first` to those before it.
fn put_part(at: u32, part: vec4<f32>, first: u32) {
    var sum = part;
    if first > 0u { sum = y[at] + part; }
    if first + u.part >= u.inputs { sum = rectified(sum, u.relu); }
    y[at] = sum;
}
