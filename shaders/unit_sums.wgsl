// sum[r][n] = sum over the floats of unit n of |w| (KIND 0), w w (1) or w a (2).   a is what scoring added up.
// A unit is a list of runs; a run is `outer` times `len` neighbours, `stride` apart.   One workgroup owns one unit of one replica.
// Sum: lane l starts at 0 and goes through the runs, in each taking its floats l, l + 64, l + 128, ..., one fma or addition each;
// then 0 + lane 0 + lane 1 + ... + lane 63, plain additions.
#import units
struct UnitShape {
    units: u32,
    param_stride: u32, // floats per replica
    longest: u32,      // passes of all loops over the largest unit
}
const KIND: u32 = 0u; // 1: squares, 2: w a
@group(0) @binding(0) var<uniform> u: UnitShape;
@group(0) @binding(1) var<storage, read> first: array<u32>; // [units + 1]: the runs of unit n are first[n] .. first[n + 1]
@group(0) @binding(2) var<storage, read> runs: array<UnitRun>;
@group(0) @binding(3) var<storage, read> params: array<f32>;
@group(0) @binding(4) var<storage, read> sums: array<f32>; // a; unused but by KIND 2
@group(0) @binding(5) var<storage, read_write> sum: array<f32>; // [R][units]
var<workgroup> lanes: array<f32, 64>;

@compute @workgroup_size(64)
fn unit_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let n = group.y * groups.x + group.x;
    var own = 0.0;
    if n < u.units {
        for (var m = first[n]; m < first[n + 1u]; m++) { // at most u.longest in all
            let run = runs[m];
            for (var e = local; e < run.outer * run.len; e += 64u) {
                let p = group.z * u.param_stride + run.start + (e / run.len) * run.stride + e % run.len;
                let w = params[p];
                switch KIND {
                    case 0u: { own = own + abs(w); }
                    case 1u: { own = fma(w, w, own); }
                    default: { own = fma(w, sums[p], own); }
                }
            }
        }
    }
    lanes[local] = own;
    workgroupBarrier();
    if local == 0u && n < u.units {
        var all = 0.0;
        for (var l = 0u; l < 64u; l++) { all = all + lanes[l]; }
        sum[group.z * u.units + n] = all;
    }
}
