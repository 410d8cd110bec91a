// sum[r][base + n] += (sum over the features f = n len .. (n + 1) len of a value x and over the batch's samples b of |x[f][b]|) share;
// share = 1 / (len batch), so that every batch adds its mean.   One workgroup owns one unit of one replica.
// Sum: lane l starts at 0 and takes the vec4s l, l + 64, ... of the unit's len columns, their samples in order, plain additions;
// then 0 + lane 0 + ... + lane 63; then one fma onto what stands there.   Samples past the end of the batch count as 0.
#import state
struct ActivityShape {
    units: u32,
    len: u32,     // features per unit
    columns: u32, // vec4s of samples
    column: u32,  // which of the batch's the first is
    base: u32,
    stride: u32,  // sums per replica
}
@group(0) @binding(0) var<uniform> u: ActivityShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [R][units len][columns]
@group(0) @binding(3) var<storage, read_write> sum: array<f32>; // [R][stride]
var<workgroup> lanes: array<f32, 64>;

@compute @workgroup_size(64)
fn unit_activity(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let n = group.y * groups.x + group.x;
    let count = state[group.z].count;
    var own = 0.0;
    if n < u.units {
        for (var e = local; e < u.len * u.columns; e += 64u) {
            let values = abs(x[(group.z * u.units + n) * u.len * u.columns + e]);
            let sample = 4u * (u.column + e % u.columns);
            for (var b = 0u; b < 4u; b++) {
                if sample + b < count { own = own + values[b]; }
            }
        }
    }
    lanes[local] = own;
    workgroupBarrier();
    if local == 0u && n < u.units {
        var all = 0.0;
        for (var l = 0u; l < 64u; l++) { all = all + lanes[l]; }
        let share = 1.0 / (f32(u.len) * f32(count));
        let at = group.z * u.stride + u.base + n;
        sum[at] = fma(all, share, sum[at]);
    }
}
