// w *= s[row unit] s[column unit],  s[n] = max(0, 1 - lr lambda root[n] / |u_n|_2),  |u_n| = sqrt(sum[r][n]), root[n] = sqrt of n's size:
// the proximal step of the group lasso (Yuan and Lin 2006), of both groups that a weight is in, norms taken before either.
// s is exactly 0 where |u_n| <= lr lambda root[n].   A side without a group has the unit 0xffffffff and s = 1.
// One invocation owns one weight of one tensor.
#import grid
#import state
struct ShrinkShape {
    offset: u32,       // of the tensor in the flat parameters
    count: u32,
    param_stride: u32, // floats per replica
    units: u32,        // sums per replica
    row: u32,          // unit of the first rows
    row_len: u32,      // floats of a unit's rows
    column: u32,       // unit of the first columns
    column_len: u32,   // floats of a unit's columns in one row
    width: u32,        // floats of a row
}
@group(0) @binding(0) var<uniform> u: ShrinkShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> lambda: array<f32>; // [R]
@group(0) @binding(3) var<storage, read> root: array<f32>; // [units]
@group(0) @binding(4) var<storage, read> sum: array<f32>; // [R][units]
@group(0) @binding(5) var<storage, read_write> params: array<f32>;

fn factor(r: u32, unit: u32) -> f32 {
    let limit = state[r].lr * lambda[r] * root[unit];
    let norm = sqrt(sum[r * u.units + unit]);
    if norm <= limit { return 0.0; }
    return 1.0 - limit / norm;
}

@compute @workgroup_size(64)
fn unit_shrink(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let at = group.z * u.param_stride + u.offset + i;
    var w = params[at];
    // A weight that is 0 stays so where the norm of its unit is NaN, too: no mask is broken by a training that diverges.
    if w == 0.0 { return; }
    if u.row != 0xffffffffu { w = w * factor(group.z, u.row + i / u.row_len); }
    if u.column != 0xffffffffu { w = w * factor(group.z, u.column + (i % u.width) / u.column_len); }
    params[at] = w;
}
