// part[r][qy][k] = sum_{qx,b} dY[r][o][qy,qx][b] X[r][c][(qy,qx)*stride + (ky,kx) - padding][b] for the layer's k-th kept
// weight (o, c, ky, kx). One output row qy is one part; `kept_partial_sum` adds the parts in order of qy.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads one vec4 of dY
// and every lane reads it from there. Same sums in the same order as conv_backward_weight_sparse, so the same bits.
// Eight neighbouring lanes own the kept weights of one output channel in one part, each every eighth.
// Sum: starts at 0 (ACCUMULATE: at what stands there), chunks of samples ascending, then qx, then b in the chunk, one fma each, as in
// conv_backward_weight.
// The first workgroups own the biases, see shared/conv_bias.wgsl.
#import grid
#import conv
#import conv_bias
#import kept
#import chunk
#import loads
#import products
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read> taps: array<u32>; // (c << 10) + (ky << 5) + kx of each weight of an output channel
@group(0) @binding(4) var<storage, read> masks: array<u32>;
@group(0) @binding(5) var<storage, read> ranks: array<u32>;
@group(0) @binding(6) var<storage, read> kept: array<u32>;
@group(0) @binding(7) var<storage, read_write> part: array<f32>; // [R]: [out_height][kept weights of this replica's layer] from the front

@compute @workgroup_size(64)
fn conv_backward_weight_sparse_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                         @builtin(local_invocation_index) local: u32,
                                         @builtin(subgroup_invocation_id) lane: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_part(number * 64u + local, group.z);
        return;
    }
    let row = ((number - biases) * 64u + local) / 8u;
    let qy = row / u.out_channels;
    let o = row % u.out_channels;
    if qy >= u.out_height { return; }
    let weights = u.in_channels * u.kernel * u.kernel;
    let first = u.weight_offset + o * weights;
    let layer = rank_of(group.z, u.weight_offset, u.param_stride / 32u);
    let count = rank_of(group.z, u.weight_offset + u.out_channels * weights, u.param_stride / 32u) - layer;
    let begin = rank_of(group.z, first, u.param_stride / 32u);
    let end = rank_of(group.z, first + weights, u.param_stride / 32u);
    let yline = ((group.z * u.out_channels + o) * u.out_height + qy) * u.out_width;
    for (var k = begin; k < end; k += 8u) { // at most (u.in_channels * u.kernel * u.kernel + 7u) / 8u
        let tap = taps[kept[group.z * u.kept_stride + min(k + lane, end - 1u)] - first];
        // Unsigned wrap-around puts places before the image past its end.
        let iy = qy * u.stride + ((tap >> 5u) & 31u) - u.padding;
        let xline = ((group.z * u.in_channels + (tap >> 10u)) * u.in_height + iy) * u.in_width;
        let to = group.z * part_stride() + qy * count + min(k + lane, end - 1u) - layer;
        let owns = k + lane < end;
        var sum = 0.0;
        if ACCUMULATE == 1u && owns { sum = part[to]; }
        for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
            for (var qx = 0u; qx < u.out_width; qx++) {
                let ix = qx * u.stride + (tap & 31u) - u.padding;
                let used = owns && iy < u.in_height && ix < u.in_width;
                let xat = (xline + ix) * u.columns + chunk;
                let own = loaded(dy[(yline + qx) * u.columns + min(chunk + lane, u.columns - 1u)]);
#repeat b 0 8
                if chunk + {b}u < u.columns {
                    let ys = subgroupBroadcast(own, {b}u);
                    if used { sum = add_product(sum, ys, loaded(x[xat + {b}u])); }
                }
#end
            }
        }
        if owns { part[to] = sum; }
    }
}
