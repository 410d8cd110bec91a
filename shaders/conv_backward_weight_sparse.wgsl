// part[r][qy][k] = sum_{qx,b} dY[r][o][qy,qx][b] X[r][c][(qy,qx)*stride + (ky,kx) - padding][b] for the layer's k-th kept
// weight (o, c, ky, kx). One output row qy is one part; `kept_partial_sum` adds the parts in order of qy.
// One invocation owns one kept weight of one part; lanes run along kept weights.
// Sum: starts at 0 (ACCUMULATE: at what stands there), chunks of samples ascending, then qx, then b in the chunk, one fma each, as in
// conv_backward_weight.
// The first workgroups own the biases, see shared/conv_bias.wgsl.
#import grid
#import conv
#import conv_bias
#import kept
#import chunk
#import loads
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
fn conv_backward_weight_sparse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                               @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_part(number * 64u + local, group.z);
        return;
    }
    let flat = (number - biases) * 64u + local;
    let weights = u.in_channels * u.kernel * u.kernel;
    let begin = rank_of(group.z, u.weight_offset, u.param_stride / 32u);
    let count = rank_of(group.z, u.weight_offset + u.out_channels * weights, u.param_stride / 32u) - begin;
    if flat >= count * u.out_height { return; }
    let qy = flat / count;
    let place = kept[group.z * u.kept_stride + begin + flat % count] - u.weight_offset;
    let o = place / weights;
    let tap = taps[place % weights];
    let yline = ((group.z * u.out_channels + o) * u.out_height + qy) * u.out_width;
    // Unsigned wrap-around puts places before the image past its end.
    let iy = qy * u.stride + ((tap >> 5u) & 31u) - u.padding;
    let xline = ((group.z * u.in_channels + (tap >> 10u)) * u.in_height + iy) * u.in_width;
    let to = group.z * part_stride() + flat;
    var sum = 0.0;
    if ACCUMULATE == 1u { sum = part[to]; }
    if iy < u.in_height {
        for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
            let end = min(chunk + CHUNK, u.columns);
            for (var qx = 0u; qx < u.out_width; qx++) {
                let ix = qx * u.stride + (tap & 31u) - u.padding;
                if ix < u.in_width {
                    let yat = (yline + qx) * u.columns;
                    let xat = (xline + ix) * u.columns;
                    for (var b = chunk; b < end; b++) { // at most CHUNK
                        let ys = loaded(dy[yat + b]);
                        let xs = loaded(x[xat + b]);
                        sum = fma(ys.x, xs.x, sum);
                        sum = fma(ys.y, xs.y, sum);
                        sum = fma(ys.z, xs.z, sum);
                        sum = fma(ys.w, xs.w, sum);
                    }
                }
            }
        }
    }
    part[to] = sum;
}
