// square[r][j][k] = sum over the floats of a unit of (w_j - w_k)^2, for the units j = row .. row + rows of a group and k = 0 .. units.
// Unit n of the group is unit base + n of the table; all of a group have runs alike.   (He et al. 2019: distances between filters)
// One invocation owns one pair (j, k).   Sum: starts at 0, runs in order, floats ascending, one fma each.
#import grid
#import units
struct UnitPairs {
    base: u32,
    units: u32,
    row: u32,
    rows: u32,
    param_stride: u32, // floats per replica
    longest: u32,      // passes of all loops over the largest unit
}
@group(0) @binding(0) var<uniform> u: UnitPairs;
@group(0) @binding(1) var<storage, read> first: array<u32>; // the runs of unit n of the table are first[n] .. first[n + 1]
@group(0) @binding(2) var<storage, read> runs: array<UnitRun>;
@group(0) @binding(3) var<storage, read> params: array<f32>;
@group(0) @binding(4) var<storage, read_write> square: array<f32>; // [R][rows][units]

@compute @workgroup_size(64)
fn unit_distances(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.rows * u.units { return; }
    let j = first[u.base + u.row + i / u.units];
    let k = first[u.base + i % u.units];
    let count = first[u.base + 1u] - first[u.base];
    let replica = group.z * u.param_stride;
    var sum = 0.0;
    for (var m = 0u; m < count; m++) { // at most u.longest in all
        let a = runs[j + m];
        let b = runs[k + m];
        for (var o = 0u; o < a.outer; o++) {
            for (var e = 0u; e < a.len; e++) {
                let d = params[replica + a.start + o * a.stride + e] - params[replica + b.start + o * b.stride + e];
                sum = fma(d, d, sum);
            }
        }
    }
    square[(group.z * u.rows * u.units) + i] = sum;
}
