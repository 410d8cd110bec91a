// Where registers are scarce, the parts of shared/parts.wgsl are added where Y stands.

// Leaves the bias there.
fn begin_parts(at: u32, bias: f32) {
    if IN_PARTS == 1u { y[at] = vec4<f32>(bias); }
}

// Adds part p to what is there.
fn put_part(at: u32, part: vec4<f32>, p: u32) {
    var sum = part;
    if IN_PARTS == 1u { sum = y[at] + part; }
    if p + 1u == part_count() { sum = rectified(sum, u.relu); }
    y[at] = sum;
}
