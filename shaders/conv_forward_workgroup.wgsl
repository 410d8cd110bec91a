// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b], zero outside the image;
// then ReLU where u.relu.
// Variant for hardware GPUs: a workgroup loads each weight and activation once for all its 256 invocations.
// Same sums in the same order as conv_forward, so the same bits.
// One workgroup owns 16 ROWS output channels x 16 COLS vec4s of samples of one output pixel q; see shared/tiles.wgsl.
#import grid
#import conv
#import relu
#import tiles
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

const ALONG_TERMS: bool = true;
// (top, edge): the window's corner in padded coordinates; of the taps from (ky0, kx0) on, high x wide fall inside the image, and those
// alone are terms.
struct Tile { first_row: u32, first_column: u32, replica: u32, top: u32, edge: u32, ky0: u32, kx0: u32, high: u32, wide: u32 }

fn weights_at(tile: Tile, term: u32, quad: u32) -> vec4<f32> {
    let ky = tile.ky0 + (term / tile.wide) % tile.high;
    let tap = (term / (tile.high * tile.wide) * u.kernel + ky) * u.kernel + tile.kx0 + term % tile.wide;
    let taps = u.in_channels * u.kernel * u.kernel;
    let w = tile.replica * u.param_stride + u.weight_offset + rows_of(quad, tile.first_row, u.out_channels) * taps + tap;
    return vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
}

fn samples_at(tile: Tile, term: u32, column: u32) -> vec4<f32> {
    let iy = tile.top + tile.ky0 + (term / tile.wide) % tile.high - u.padding;
    let ix = tile.edge + tile.kx0 + term % tile.wide - u.padding;
    let channel = tile.replica * u.in_channels + term / (tile.high * tile.wide);
    let place = (channel * u.in_height + iy) * u.in_width + ix;
    return x[place * u.columns + min(tile.first_column + column, u.columns - 1u)];
}

@compute @workgroup_size(256)
fn conv_forward_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                          @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let pixels = u.out_height * u.out_width;
    let pixel = (flat / column_tiles) % pixels;
    var tile: Tile;
    tile.first_column = (flat % column_tiles) * RIGHT;
    tile.first_row = (flat / (column_tiles * pixels)) * 16u * ROWS;
    tile.replica = group.z;
    tile.top = (pixel / u.out_width) * u.stride;
    tile.edge = (pixel % u.out_width) * u.stride;
    tile.ky0 = u.padding - min(u.padding, tile.top);
    tile.kx0 = u.padding - min(u.padding, tile.edge);
    tile.high = min(u.kernel, u.in_height + u.padding - tile.top) - tile.ky0;
    tile.wide = min(u.kernel, u.in_width + u.padding - tile.edge) - tile.kx0;
    let base = group.z * u.param_stride;
    let row = tile.first_row + (local / 16u) * ROWS;
    let column = tile.first_column + local % 16u;
    // Rows and columns past the edge read the last one and are not stored.
    var sum: array<vec4<f32>, ROWS * COLS>;
    for (var k = 0u; k < ROWS; k++) {
        var bias = 0.0;
        if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + min(row + k, u.out_channels - 1u)]; }
        for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = vec4<f32>(bias); }
    }
    let terms = u.in_channels * tile.high * tile.wide; // at most u.in_channels * u.kernel * u.kernel
    product(&sum, tile, terms, local);
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.out_channels && column + 16u * c < u.columns {
                let place = ((group.z * u.out_channels + row + k) * pixels + pixel) * u.columns;
                y[place + column + 16u * c] = rectified(sum[k * COLS + c], u.relu);
            }
        }
    }
}
