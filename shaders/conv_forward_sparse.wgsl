// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b] over the kept weights,
// zero outside the image; then ReLU where u.relu.
// One invocation owns one output channel x COLS vec4s of samples of one output pixel q; see shared/spread.wgsl.
// Sum: starts at the bias, then c, ky, kx ascending, one fma each. conv_forward adds 0 * X in between, which changes no bit but the sign of a -0.
#import grid
#import conv
#import kept
#import relu
#import loads
#import spread
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Quad>;
@group(0) @binding(3) var<storage, read> taps: array<u32>; // (c << 10) + (ky << 5) + kx of each weight of an output channel
@group(0) @binding(4) var<storage, read> masks: array<u32>;
@group(0) @binding(5) var<storage, read> ranks: array<u32>;
@group(0) @binding(6) var<storage, read> kept: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(32)
fn conv_forward_sparse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let apart = at_tile.apart;
    let pixels = u.out_height * u.out_width;
    let column = at_tile.column;
    let pixel = at_tile.tile % pixels;
    let row = at_tile.tile / pixels;
    if row >= u.out_channels { return; }
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
        at[c] = min(column + c * apart, u.columns - 1u);
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
    for (var k = begin; k < end; k++) { // at most u.in_channels * u.kernel * u.kernel
        let place = kept[list + k];
        let tap = taps[place - first];
        let iy = corner_y + ((tap >> 5u) & 31u);
        let ix = corner_x + (tap & 31u);
        if iy < height && ix < width {
            let weight = vec4<f32>(params[base + place]);
            let line = (((planes + (tap >> 10u)) * height + iy) * width + ix) * columns;
            for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(x[line + at[c]]), sum[c]); }
        }
    }
    for (var c = 0u; c < COLS; c++) {
        let own = column + c * apart;
        if own < u.columns {
            y[((group.z * u.out_channels + row) * pixels + pixel) * u.columns + own] = rectified(sum[c], u.relu);
        }
    }
}
