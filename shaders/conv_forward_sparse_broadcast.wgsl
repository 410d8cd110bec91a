// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b] over the kept weights,
// zero outside the image; then ReLU where u.relu.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads one kept weight
// and every lane reads it from there. Same sums in the same order as conv_forward_sparse, so the same bits.
// One invocation owns one output channel x COLS vec4s of samples of one output pixel q; 8 neighbouring lanes own the same channel.
// Sum: starts at the bias, then c, ky, kx ascending, one fma each. conv_forward adds 0 * X in between, which changes no bit but the sign of a -0.
#import grid
#import conv
#import kept
#import relu
#import loads
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Quad>;
@group(0) @binding(3) var<storage, read> taps: array<u32>; // (c << 10) + (ky << 5) + kx of each weight of an output channel
@group(0) @binding(4) var<storage, read> masks: array<u32>;
@group(0) @binding(5) var<storage, read> ranks: array<u32>;
@group(0) @binding(6) var<storage, read> kept: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn conv_forward_sparse_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                 @builtin(local_invocation_index) local: u32,
                                 @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let column_tiles = (u.columns + COLS - 1u) / COLS;
    let pixels = u.out_height * u.out_width;
    // Whole subgroups per channel: lanes past the last pixel repeat it and store nothing.
    let lanes = (column_tiles * pixels + 7u) / 8u * 8u;
    let row = flat / lanes;
    if row >= u.out_channels { return; }
    let owns = flat % lanes < column_tiles * pixels;
    let place_in_row = min(flat % lanes, column_tiles * pixels - 1u);
    let tile = place_in_row % column_tiles;
    let pixel = place_in_row / column_tiles;
    let base = group.z * u.param_stride;
    let weights = u.in_channels * u.kernel * u.kernel;
    let first = u.weight_offset + row * weights;
    let begin = rank_of(group.z, first, u.param_stride / 32u);
    let end = rank_of(group.z, first + weights, u.param_stride / 32u);
    var bias = 0.0;
    if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + row]; }
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        sum[c] = vec4<f32>(bias);
        at[c] = min(tile + c * column_tiles, u.columns - 1u);
    }
    // Window corner in padded coordinates; unsigned wrap-around puts taps before the image past its end.
    let top = (pixel / u.out_width) * u.stride;
    let left = (pixel % u.out_width) * u.stride;
    // Out of the loop, since fields of u are loads too.
    let list = group.z * u.kept_stride;
    let planes = group.z * u.in_channels;
    let height = u.in_height;
    let width = u.in_width;
    let columns = u.columns;
    let corner_y = top - u.padding;
    let corner_x = left - u.padding;
    for (var k = begin; k < end; k += 8u) { // at most (u.in_channels * u.kernel * u.kernel + 7u) / 8u
        let place = kept[list + min(k + lane, end - 1u)];
        let own_tap = taps[place - first];
        let own_weight = params[base + place];
#repeat j 0 8
        if k + {j}u < end {
            let tap = subgroupBroadcast(own_tap, {j}u);
            let weight = vec4<f32>(subgroupBroadcast(own_weight, {j}u));
            let iy = corner_y + ((tap >> 5u) & 31u);
            let ix = corner_x + (tap & 31u);
            if iy < height && ix < width {
                let line = (((planes + (tap >> 10u)) * height + iy) * width + ix) * columns;
                for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(x[line + at[c]]), sum[c]); }
            }
        }
#end
    }
    for (var c = 0u; c < COLS; c++) {
        let column = tile + c * column_tiles;
        if owns && column < u.columns {
            y[((group.z * u.out_channels + row) * pixels + pixel) * u.columns + column] = rectified(sum[c], u.relu);
        }
    }
}
