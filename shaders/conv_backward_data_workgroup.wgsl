// dX[r][c][p][b] = sum_{o,ky,kx : p + padding - (ky,kx) = q * stride} W[r][o][c][ky][kx] dY[r][o][q][b].
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for hardware GPUs: a workgroup loads each weight and gradient once for all its 256 invocations.
// Same sums in the same order as conv_backward_data, so the same bits.
// One workgroup owns 16 ROWS input channels x 16 COLS vec4s of samples of one input pixel p; see shared/tiles.wgsl.
#import grid
#import conv
#import relu
#import gate
#import tiles
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

// How many taps k0, k0 + stride, ... are below k1.
fn steps(k0: u32, k1: u32) -> u32 {
    if k0 >= k1 { return 0u; }
    return (k1 - k0 + u.stride - 1u) / u.stride;
}

const ALONG_TERMS: bool = false;
// (py, px): the pixel in padded coordinates; of the taps from (ky0, kx0) on, `stride` apart, high x wide reach an output, and those alone
// are terms.
struct Tile { first_row: u32, first_column: u32, replica: u32, py: u32, px: u32, ky0: u32, kx0: u32, high: u32, wide: u32 }

fn weights_at(tile: Tile, term: u32, quad: u32) -> vec4<f32> {
    let ky = tile.ky0 + (term / tile.wide) % tile.high * u.stride;
    let kx = tile.kx0 + term % tile.wide * u.stride;
    let channels = term / (tile.high * tile.wide) * u.in_channels + rows_of(quad, tile.first_row, u.in_channels);
    let w = tile.replica * u.param_stride + u.weight_offset + (channels * u.kernel + ky) * u.kernel + kx;
    return vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
}

fn samples_at(tile: Tile, term: u32, column: u32) -> vec4<f32> {
    let qy = (tile.py - tile.ky0) / u.stride - (term / tile.wide) % tile.high;
    let qx = (tile.px - tile.kx0) / u.stride - term % tile.wide;
    let channel = tile.replica * u.out_channels + term / (tile.high * tile.wide);
    let place = (channel * u.out_height + qy) * u.out_width + qx;
    return dy[place * u.columns + min(tile.first_column + column, u.columns - 1u)];
}

@compute @workgroup_size(256)
fn conv_backward_data_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let pixels = u.in_height * u.in_width;
    let pixel = (flat / column_tiles) % pixels;
    var tile: Tile;
    tile.first_column = (flat % column_tiles) * RIGHT;
    tile.first_row = (flat / (column_tiles * pixels)) * 16u * ROWS;
    tile.replica = group.z;
    tile.py = pixel / u.in_width + u.padding;
    tile.px = pixel % u.in_width + u.padding;
    tile.ky0 = first_tap(tile.py, u.out_height, u.stride);
    tile.kx0 = first_tap(tile.px, u.out_width, u.stride);
    tile.high = steps(tile.ky0, min(u.kernel, tile.py + 1u));
    tile.wide = steps(tile.kx0, min(u.kernel, tile.px + 1u));
    // Rows and columns past the edge read the last one and are not stored.
    var sum: array<vec4<f32>, ROWS * COLS>;
    let terms = u.out_channels * tile.high * tile.wide; // at most u.out_channels * u.kernel * u.kernel
    product(&sum, tile, terms, local);
    let row = tile.first_row + (local / 16u) * ROWS;
    let column = tile.first_column + local % 16u;
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.in_channels && column + 16u * c < u.columns {
                put(((group.z * u.in_channels + row + k) * pixels + pixel) * u.columns + column + 16u * c, sum[k * COLS + c]);
            }
        }
    }
}
