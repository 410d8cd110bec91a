// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b], zero outside the image;
// then ReLU where u.relu.
// X: [R][in_channels][in_height][in_width][columns] vec4, Y likewise with the output's sizes.
// One invocation owns ROWS output channels x COLS vec4s of samples of one output pixel q; see shared/spread.wgsl.
// Sum: starts at the bias, then c, ky, kx ascending, one fma each; taps outside the image are left out.
#import grid
#import conv
#import relu
#import spread
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(32)
fn conv_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let pixels = u.out_height * u.out_width;
    let column = at_tile.column;
    let apart = at_tile.apart;
    let pixel = at_tile.tile % pixels;
    let row = at_tile.tile / pixels * ROWS;
    if row >= u.out_channels { return; }
    let base = group.z * u.param_stride;
    let taps = u.in_channels * u.kernel * u.kernel;
    var w: array<u32, ROWS>;
    var sum: array<vec4<f32>, ROWS * COLS>;
    for (var k = 0u; k < ROWS; k++) {
        let o = min(row + k, u.out_channels - 1u);
        w[k] = base + u.weight_offset + o * taps;
        var bias = 0.0;
        if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + o]; }
        for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = vec4<f32>(bias); }
    }
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) { at[c] = min(column + c * apart, u.columns - 1u); }
    // Window corner in padded coordinates, and the taps that fall inside the image.
    let top = (pixel / u.out_width) * u.stride;
    let left = (pixel % u.out_width) * u.stride;
    let ky0 = u.padding - min(u.padding, top);
    let kx0 = u.padding - min(u.padding, left);
    let ky1 = min(u.kernel, u.in_height + u.padding - top);
    let kx1 = min(u.kernel, u.in_width + u.padding - left);
    for (var channel = 0u; channel < u.in_channels; channel++) {
        for (var ky = ky0; ky < ky1; ky++) {
            let line = ((group.z * u.in_channels + channel) * u.in_height + (top + ky - u.padding)) * u.in_width;
            for (var kx = kx0; kx < kx1; kx++) {
                let tap = (channel * u.kernel + ky) * u.kernel + kx;
                let place = (line + (left + kx - u.padding)) * u.columns;
                var xs: array<vec4<f32>, COLS>;
                for (var c = 0u; c < COLS; c++) { xs[c] = x[place + at[c]]; }
                for (var k = 0u; k < ROWS; k++) {
                    let weight = vec4<f32>(params[w[k] + tap]);
                    for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = fma(weight, xs[c], sum[k * COLS + c]); }
                }
            }
        }
    }
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.out_channels && column + c * apart < u.columns {
                y[((group.z * u.out_channels + row + k) * pixels + pixel) * u.columns + column + c * apart] = rectified(sum[k * COLS + c], u.relu);
            }
        }
    }
}
