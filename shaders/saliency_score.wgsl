// key[r][i] = order of v for weights that exist, 0 for pruned ones; a is what scoring added up (gradient_accumulate, flow_share).
// v by FORMULA: 0 |a| gradient magnitude, SynFlow; 1 |w a| SNIP; 2 w a GraSP; 3 -w a Taylor; 4 (w w) a Taylor squared; 5 a movement.
// Order: bits with the sign turned for v >= 0 and all bits turned below, so larger v, larger key; -0 = +0.
// NaN has no rank: it is counted, and the host refuses to prune.   One invocation owns one weight of one tensor.
#import grid
#import score
const FORMULA: u32 = 0u; // 1, 2, 3, 4, 5: as above
@group(0) @binding(0) var<uniform> u: ScoreShape;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> sums: array<f32>;
@group(0) @binding(4) var<storage, read_write> score: array<u32>;
@group(0) @binding(5) var<storage, read_write> unordered: array<atomic<u32>>; // NaN scores per replica

@compute @workgroup_size(64)
fn saliency_score(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, 64u, local);
    if i >= u.count { return; }
    let p = u.offset + i;
    let w = params[group.z * u.param_stride + p];
    let a = sums[group.z * u.param_stride + p];
    var v = a;
    switch FORMULA {
        case 0u: { v = abs(a); }
        case 1u: { v = abs(w * a); }
        case 2u: { v = w * a; }
        case 3u: { v = -w * a; }
        case 4u: { v = (w * w) * a; }
        default: {}
    }
    var bits = bitcast<u32>(v);
    let exists = u.revive != 0u || ((masks[group.z * u.mask_words + p / 32u] >> (p % 32u)) & 1u) != 0u;
    if exists && (bits & 0x7fffffffu) > 0x7f800000u { atomicAdd(&unordered[group.z], 1u); }
    if bits == 0x80000000u { bits = 0u; }
    let order = select(bits | 0x80000000u, ~bits, (bits >> 31u) != 0u);
    score[group.z * u.param_stride + p] = select(0u, order, exists);
}
