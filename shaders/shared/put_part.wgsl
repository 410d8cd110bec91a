// Where registers are scarce, the parts of shared/parts.wgsl are added where Y stands.

// Leaves the bias there.
fn begin_parts(at: u32, bias: f32) {
    if in_parts() { y[at] = vec4<f32>(bias); }
}

// Adds the part that begins at term `first` to what is there.
fn put_part(at: u32, part: vec4<f32>, first: u32) {
    var sum = part;
    if in_parts() { sum = y[at] + part; }
    if first + u.part >= u.inputs { sum = rectified(sum, u.relu); }
    y[at] = sum;
}
