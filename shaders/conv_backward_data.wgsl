// dX[r][c][p][b] = sum_{o,ky,kx : p + padding - (ky,kx) = q * stride} W[r][o][c][ky][kx] dY[r][o][q][b].
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// One invocation owns ROWS input channels x COLS vec4s of samples of one input pixel p; see shared/spread.wgsl.
// Sum: starts at 0, then o, ky, kx ascending, one fma each.
#import grid
#import conv
#import relu
#import gate
#import spread
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(32)
fn conv_backward_data(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let pixels = u.in_height * u.in_width;
    let column = at_tile.column;
    let apart = at_tile.apart;
    let pixel = at_tile.tile % pixels;
    let row = at_tile.tile / pixels * ROWS;
    if row >= u.in_channels { return; }
    let area = u.kernel * u.kernel;
    var w: array<u32, ROWS>;
    var sum: array<vec4<f32>, ROWS * COLS>;
    for (var k = 0u; k < ROWS; k++) {
        w[k] = group.z * u.param_stride + u.weight_offset + min(row + k, u.in_channels - 1u) * area;
        for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = vec4<f32>(); }
    }
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) { at[c] = min(column + c * apart, u.columns - 1u); }
    // p in padded coordinates; taps beyond it would reach before the first output.
    let py = pixel / u.in_width + u.padding;
    let px = pixel % u.in_width + u.padding;
    let ky0 = first_tap(py, u.out_height, u.stride);
    let kx0 = first_tap(px, u.out_width, u.stride);
    let ky1 = min(u.kernel, py + 1u);
    let kx1 = min(u.kernel, px + 1u);
    for (var o = 0u; o < u.out_channels; o++) {
        for (var ky = ky0; ky < ky1; ky += u.stride) {
            let line = ((group.z * u.out_channels + o) * u.out_height + (py - ky) / u.stride) * u.out_width;
            for (var kx = kx0; kx < kx1; kx += u.stride) {
                let tap = o * u.in_channels * area + ky * u.kernel + kx;
                let place = (line + (px - kx) / u.stride) * u.columns;
                var ys: array<vec4<f32>, COLS>;
                for (var c = 0u; c < COLS; c++) { ys[c] = dy[place + at[c]]; }
                for (var k = 0u; k < ROWS; k++) {
                    let weight = vec4<f32>(params[w[k] + tap]);
                    for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = fma(weight, ys[c], sum[k * COLS + c]); }
                }
            }
        }
    }
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.in_channels && column + c * apart < u.columns {
                put(((group.z * u.in_channels + row + k) * pixels + pixel) * u.columns + column + c * apart, sum[k * COLS + c]);
            }
        }
    }
}
