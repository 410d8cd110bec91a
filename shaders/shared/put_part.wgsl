// Where registers are scarce, the parts of shared/parts.wgsl are added where Y stands.

// Leaves the bias there.
fn begin_parts(at: u32, bias: f32) {
    if IN_PARTS == 1u { y[at] = vec4<f32>(bias); }
}

// Adds a part to what is there.
fn add_part(at: u32, part: vec4<f32>) {
    y[at] = y[at] + part;
}

// Likewise the last one, or the only sum.
fn end_parts(at: u32, part: vec4<f32>) {
    var sum = part;
    if IN_PARTS == 1u { sum = y[at] + part; }
    y[at] = rectified(sum, u.relu);
}
